"""Web face: server-rendered pages for signed-in users, over the same services as every other surface.

A page is a handler in one of the sections (sections.py) and a template; shell.py has the frame of all pages. Nothing is
loaded before the first request of a page: an API host without visitors loads no templates.
"""

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core
from imgen.surfaces.surface import Surface

PREFIXES = ("/", "/panel", "/play", "/sign-in", "/sign-out", "/static")
"""Prefixes of the pages; `/` is the home page alone."""


def routes(core: Core) -> list[BaseRoute]:
    """Returns all pages as one route."""

    def make() -> ASGIApp:
        from imgen.surfaces.web.sections import application

        return application(core)

    return [LazyApp(PREFIXES, make)]


SURFACE = Surface(prefixes=PREFIXES, routes=routes)
