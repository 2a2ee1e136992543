"""Main entry of the command line: joins the commands, and prints our errors as one line with exit code 1."""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from imgen import __version__
from imgen.domain.errors import ImgenError

COMMANDS = (
    "up",
    "demo",
    "generate",
    "events",
    "verify",
    "keys",
    "tenants",
    "users",
    "models",
    "engines",
    "doctor",
    "cache",
    "backup",
    "restore",
    "migrate",
    "api",
    "worker",
    "embedder",
    "dispatcher",
    "webhooks",
)
"""Modules of this package, each with a function of its name, or with an `app` of several."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """Builds the command line; loads only the command that is called: an API process loads nothing of `verify`."""
    app = typer.Typer(
        name="imgen",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Self-hosted image generation.",
        rich_markup_mode=None,  # a markup would drop `[http]` or `<data>` from the help texts
    )
    app.callback(invoke_without_command=True)(version)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name in (asked,) if asked in COMMANDS else COMMANDS:
        module = import_module(f"imgen.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name=name)(getattr(module, name))
    return app


def version(*, version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:  # noqa: FBT003 - typer's way
    """Self-hosted image generation: reviewed, branded, watermarked, fingerprinted and signed pictures."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None, *, obj: object = None) -> None:
    """Runs a command of the console script; `obj` is what its `typer.Context` carries.

    Args:
        arguments: default: those of the process.
        obj: default: nothing.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        build(given)(given, obj=obj)
    except ImgenError as exc:
        sys.stderr.write(f"imgen: {exc}\n")
        sys.exit(1)
    except OSError as exc:
        if exc.filename is None:
            raise
        sys.stderr.write(f"imgen: {exc.filename}: {exc.strerror}\n")  # a full disk, a folder without permission
        sys.exit(1)
