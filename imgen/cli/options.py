"""Options of several commands."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder with everything that is kept; default: IMGEN_DATA, else var.", show_default=False
    ),
]
