"""Command `imgen backup`: one file with all that a restore needs."""

from pathlib import Path
from typing import Annotated

import typer

from imgen import settings
from imgen.archive import write_archive
from imgen.cli.options import Data


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as imgen.tar.")],
    data: Data = None,
) -> None:
    """Save database, pictures, credentials, own configuration files, models and match lists, also while the service runs."""
    about = write_archive(settings.load(data), file)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:,.1f} MB. It holds keys: keep it secret.")
    for part in about.missing:
        typer.echo(f"Not in it, save it as well: {part}", err=True)
