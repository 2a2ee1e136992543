"""HTML pages: templates and security headers, for the panel and the public reference."""

from pathlib import Path

import jinja2

from imgen import __version__
from imgen.surfaces.static import asset_url

FOLDER = Path(__file__).resolve().parents[1] / "web" / "templates"


def environment() -> jinja2.Environment:
    """Makes the template environment. It escapes everything and fails at an unset name."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"static": asset_url, "version": __version__}
    return made


def page_headers(policy: str) -> dict[str, str]:
    """Returns the security headers of a page; `policy` is its Content-Security-Policy."""
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
