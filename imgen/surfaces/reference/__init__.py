"""Reference of the API for users and programs, without a sign-in: `/openapi.json`, `/reference`, `/docs`, `/llms.txt`.

It has two sources: the surfaces' descriptions and the prose in docs/. Nothing is loaded before the first request.
"""

from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core
from imgen.surfaces.surface import Surface

PREFIXES = ("/openapi.json", "/reference", "/docs", "/llms.txt", "/llms-full.txt")


def surface(described: Callable[[], Sequence[Surface]]) -> Surface:
    """Makes the surface; `described` returns the surfaces to describe, at the first request."""

    def routes(core: Core) -> list[BaseRoute]:
        def make() -> ASGIApp:
            from imgen.surfaces.reference.pages import application

            return application(core, described())

        return [LazyApp(PREFIXES, make)]

    return Surface(prefixes=PREFIXES, routes=routes)
