"""The templates, shared by the pages of people with an account and by the public ones."""

from pathlib import Path

import jinja2

from imgen import __version__
from imgen.surfaces.web.static import address

FOLDER = Path(__file__).resolve().parents[2] / "web" / "templates"


def environment() -> jinja2.Environment:
    """Escapes everything, and fails at a name that nobody set."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"static": address, "version": __version__}
    return made
