"""Command `imgen verify`: the evidence of origin in a picture file."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.domain.errors import Invalid
from imgen.provenance.inspection import Inspection, inspect_picture


def verify(
    file: Annotated[Path, typer.Argument(help="A picture: PNG, JPEG, WebP or AVIF.", exists=True, dir_okay=False)],
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,  # noqa: FBT002 - a switch
) -> None:
    """Read a picture's Content Credentials, invisible mark and fingerprint. Exit code 1 if it carries nothing of ours."""
    loaded = settings.load(data)
    found = inspect_picture(file.read_bytes(), anchors=composition.trust_anchors(loaded))
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    else:
        show(file, found)
    if found.credentials.state != "Trusted" and found.watermark.id is None:
        raise Invalid(f"{file.name} carries neither credentials that we trust nor our mark")


def show(file: Path, found: Inspection) -> None:
    """Prints a table on a terminal, else whole lines: a pipe has no width, and a hash that was cut is none."""
    console, lines = Console(), _facts(file, found)
    if not console.is_terminal:
        width = max(len(name) for name, _ in lines)
        typer.echo("\n".join([file.name, *(f"{name:<{width}}  {text}" for name, text in lines)]))
        return
    table = Table(show_header=False, title=Text(file.name), title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(name, Text(text))
    console.print(table)


def _facts(file: Path, found: Inspection) -> list[tuple[str, str]]:
    """Formats an inspection for people, as lines of a name and a text."""
    credentials, mark = found.credentials, found.watermark
    issuer = f" (issuer {credentials.issuer})" if credentials.issuer else ""
    confidence = f" (confidence {mark.confidence:.0%})" if mark.id else ""
    return [
        ("size", f"{found.width} × {found.height} px, {file.stat().st_size / 1024:,.0f} KiB"),
        ("credentials", f"{credentials.state}{issuer}"),
        *(("because", f"{problem.reason} ({problem.code})") for problem in credentials.problems),
        *((("time-stamp", credentials.time_stamp),) if credentials.time_stamp else ()),
        *((("manifest", credentials.manifest_id),) if credentials.manifest_id else ()),
        *(("history", step) for step in credentials.history if credentials.state != "Invalid"),
        ("invisible mark", f"{mark.id or 'none'}{confidence}"),
        ("PDQ", f"{found.fingerprint.hash} (quality {found.fingerprint.quality})"),
    ]
