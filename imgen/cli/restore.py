"""Command `imgen restore`: a backup into a new data folder."""

from pathlib import Path
from typing import Annotated

import typer

from imgen import settings
from imgen.archive import read_archive
from imgen.cli.options import Data
from imgen.domain.job import utc_text


def restore(
    file: Annotated[Path, typer.Argument(help="A file of `imgen backup`.", exists=True, dir_okay=False)],
    data: Data = None,
) -> None:
    """Restore a backup into a data folder that is missing or empty; `imgen up` then goes on where it was made."""
    folder = settings.load(data).data_dir
    about = read_archive(file, folder)
    typer.echo(f"{folder}: restored as it was at {utc_text(about.made_at)} under version {about.version}.")
    for part in about.missing:
        typer.echo(f"Not in the backup, put it back as well: {part}", err=True)
