"""Command `imgen verify`: the evidence of origin in a picture file."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

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
        Console().print(summary(file, found))
    if found.credentials.state != "Trusted" and found.watermark.id is None:
        raise Invalid(f"{file.name} carries neither credentials that we trust nor our mark")


def summary(file: Path, found: Inspection) -> Table:
    """Formats an inspection as a table for people."""
    table = Table(show_header=False, title=file.name, title_justify="left")
    table.add_row("size", f"{found.width} × {found.height} px, {file.stat().st_size / 1024:,.0f} KiB")
    table.add_row(
        "credentials",
        f"{found.credentials.state}{found.credentials.issuer and f' (issuer {found.credentials.issuer})'}",
    )
    table.add_row("invisible mark", f"{found.watermark.id or 'none'} (confidence {found.watermark.confidence:.0%})")
    table.add_row("PDQ", f"{found.fingerprint.hash} (quality {found.fingerprint.quality})")
    return table
