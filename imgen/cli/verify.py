"""Command `imgen verify`: the evidence of origin in a picture file."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.configuration import load_catalog
from imgen.domain.catalog import Size
from imgen.domain.errors import Invalid, InvalidField, Retryable
from imgen.domain.framing import catalog_sizes
from imgen.provenance.inspection import Inspection, inspect_picture
from imgen.provenance.watermark_reading.reading import Reading
from imgen.provenance.watermark_words import how_found
from imgen.records.database_url import parse_url
from imgen.services.recognition.known_sizes import known_sizes
from imgen.settings import Settings


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(help="Pictures: PNG, JPEG, WebP or AVIF.", exists=True, dir_okay=False, metavar="FILE…"),
    ],
    data: Data = None,
    deep: Annotated[  # noqa: FBT002 - a switch
        bool, typer.Option("--deep", help="Look for the mark of what was cut and resized as well: seconds.")
    ] = False,
    budget: Annotated[float, typer.Option(help="Seconds for the mark of one picture.", min=0, max=600)] = 10.0,
    as_json: Annotated[  # noqa: FBT002 - a switch
        bool, typer.Option("--json", help="Print what was found as JSON, a line for each picture.")
    ] = False,
) -> None:
    """Read pictures' Content Credentials, invisible mark and fingerprint. Exit code 1 if one carries nothing of ours."""
    loaded = settings.load(data)
    anchors = composition.trust_anchors(loaded)
    reading = Reading(sizes=_sizes(loaded), is_deep=deep, budget_s=budget)
    failures = []
    for file in files:
        try:
            found = inspect_picture(file.read_bytes(), anchors, reading=reading)
        except InvalidField as exc:
            failures.append(f"{file.name}: {exc}")
            continue
        if as_json:
            sys.stdout.buffer.write(msgspec.json.encode({"file": file.name, **msgspec.to_builtins(found)}) + b"\n")
        else:
            show(file, found)
        if found.credentials.state != "Trusted" and found.watermark.id is None:
            failures.append(f"{file.name} carries neither credentials that we trust nor our mark")
    if failures:
        raise Invalid("\n".join(failures))


def _sizes(loaded: Settings) -> tuple[Size, ...]:
    """Returns the sizes of this installation's pictures; where no database answers, by its models alone."""
    catalog, url = load_catalog(loaded), parse_url(loaded.database_url)
    is_there = url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
    if is_there:  # to open a file of SQLite would make it
        with closing(composition.open_database(loaded)) as database:
            try:
                return known_sizes(catalog, database)
            except Retryable as exc:
                typer.echo(f"Sizes of earlier models' pictures are not tried: {exc}", err=True)
    return catalog_sizes(catalog)


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
        *(
            (("mark found", f"{how_found(mark)}; in {mark.false_accepts:.0e} of unmarked pictures at most"),)
            if mark.id
            else ()
        ),
        ("PDQ", f"{found.fingerprint.hash} (quality {found.fingerprint.quality})"),
    ]
