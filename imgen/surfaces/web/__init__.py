"""Web face: server-rendered pages for signed-in people, over the same services as every other surface.

A page is a handler in one of the sections (sections.py) and a template; shell.py holds the frame of all of them. Nothing of
it is loaded before the first page is asked for: an API host that nobody looks at carries no templates.
"""

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core
from imgen.surfaces.surface import Surface

PREFIXES = ("/", "/panel", "/play", "/sign-in", "/sign-out", "/static")
"""Of the pages; the first stands for the home page alone."""


def routes(core: Core) -> list[BaseRoute]:
    """Returns all pages as one route."""

    def make() -> ASGIApp:
        from imgen.surfaces.web.sections import application

        return application(core)

    return [LazyApp(PREFIXES, make)]


SURFACE = Surface(prefixes=PREFIXES, routes=routes)
