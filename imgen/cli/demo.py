"""Command `imgen demo`: one picture from end to end on this machine; then everything is stopped again."""

import secrets
import socket
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from imgen import composition, settings
from imgen.cli import cli_audit, verify
from imgen.cli.client import Client, ServerError
from imgen.cli.options import Data
from imgen.cli.up import running
from imgen.domain.example_prompt import example_prompt
from imgen.domain.principal import new_raw_key
from imgen.provenance.inspection import inspect_picture
from imgen.settings import Settings

PROMPT = example_prompt()


def demo(
    prompt: Annotated[str, typer.Argument(help="What to draw.")] = PROMPT,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    data: Data = None,
) -> None:
    """Start the stack, make one picture over HTTP, download it, read it back, stop. Exit code 0 if all of it worked."""
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    loaded = settings.load(data or Path("var") / "demo").with_address("127.0.0.1", _free_port())
    with running(loaded, console):
        client = Client(loaded.public_url, _make_key(loaded))
        console.print(f"\nPOST {escape(loaded.public_url)}/api/v2  generate: {escape(prompt)}")
        job = client.call("generate", prompt=prompt)
        answer = client.wait(job, console)
        if "meta" not in answer:
            raise ServerError(answer.get("error", answer["status"]))
        meta, paths = answer["meta"], client.download(answer, out)
        client.close()
        console.print()
        anchors = composition.trust_anchors(loaded)
        for path in paths:
            found = inspect_picture(path.read_bytes(), anchors=anchors)
            verify.show(path, found)
            if found.credentials.state != "Trusted":
                raise ServerError(f"{path.name}: its credentials read {found.credentials.state}")
        mark = inspect_picture(paths[0].read_bytes(), anchors=anchors).watermark.id
        if mark != meta["watermark_id"]:
            raise ServerError(f"{paths[0].name}: its mark reads {mark}, not {meta['watermark_id']}")
        seconds = ", ".join(f"{name} {value:.2f} s" for name, value in meta["timings"].items())
        console.print(f"\nseed {meta['seed']}; {seconds}")
        console.print("\n".join(f"[bold]{path}[/]" for path in paths))
    console.print(
        f"[bold green]Done in {time.monotonic() - started:.0f} s.[/] `imgen up` starts the same stack to stay."
    )


def _make_key(loaded: Settings) -> str:
    raw = new_raw_key()
    database = composition.open_database(loaded)
    try:
        with database.write() as connection:
            tenant = cli_audit.tenant(connection, "default", loaded.default_plan)
            cli_audit.key(connection, raw, owner=tenant, name=f"demo {secrets.token_hex(4)}")
    finally:
        database.close()
    return raw


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
