"""Joins the commands and turns our errors into one line and exit code 1."""

import sys

import typer

from imgen import __version__
from imgen.cli import api, demo, doctor, generate, keys, migrate, up, verify, worker
from imgen.domain.errors import ImgenError

app = typer.Typer(
    name="imgen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Self-hosted image generation.",
)
app.command(name="up")(up.up)
app.command(name="demo")(demo.demo)
app.command(name="generate")(generate.generate)
app.command(name="verify")(verify.verify)
app.add_typer(keys.app, name="keys")
app.command(name="doctor")(doctor.doctor)
app.command(name="migrate")(migrate.migrate)
app.command(name="api")(api.api)
app.command(name="worker")(worker.worker)


@app.callback(invoke_without_command=True)
def version(*, version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:  # noqa: FBT003 - typer's way
    """Self-hosted image generation: reviewed, branded, watermarked, fingerprinted and signed pictures."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except ImgenError as exc:
        sys.stderr.write(f"imgen: {exc}\n")
        sys.exit(1)
