"""Web face: server-rendered pages for signed-in users, over the same services as every other surface.

A page is a handler in one of the sections (sections.py) and a template; shell.py has the frame of all pages. Nothing is
loaded before the first request of a page: an API host without visitors loads no templates.
"""

from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Scope

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core
from imgen.surfaces.surface import Surface, surface_at

PREFIXES = (
    "/", "/account", "/authorize", "/invitation", "/panel", "/password-reset", "/play", "/sign-in", "/sign-out", "/sign-up",
    "/static", "/studio", "/verify",
)  # fmt: skip
"""Prefixes of the pages; `/` is the home page alone."""


class _Pages(LazyApp):
    """Route of the pages, and of unknown paths of no other surface that a browser asks for: they are not found in the frame."""

    def __init__(self, make: Callable[[], ASGIApp], surfaces: Callable[[], Sequence[Surface]]) -> None:
        super().__init__(PREFIXES, make)
        self._surfaces = surfaces

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compares the path's first segment, then asks for whom an unknown path is."""
        match, found = super().matches(scope)
        if match is Match.NONE and _is_for_people(scope):
            is_nobodys = surface_at(scope["path"], self._surfaces()).prefixes == PREFIXES
            return (Match.FULL if is_nobodys else Match.NONE), {}
        return match, found


def surface(surfaces: Callable[[], Sequence[Surface]]) -> Surface:
    """Makes the surface; `surfaces` returns all that there are, at the first request of an unknown path."""

    def routes(core: Core) -> list[BaseRoute]:
        def make() -> ASGIApp:
            from imgen.surfaces.web.sections import application

            return application(core)

        return [_Pages(make, surfaces)]

    return Surface(prefixes=PREFIXES, routes=routes)


def _is_for_people(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")
