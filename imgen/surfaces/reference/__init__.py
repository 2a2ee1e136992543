"""Reference of the API for people and machines, without a sign-in: `/openapi.json`, `/reference`, `/docs`, `/llms.txt`.

One source for all of it: the descriptions that the surfaces give of themselves, and the prose in docs/. Nothing of it is
loaded before it is asked for.
"""

from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core
from imgen.surfaces.surface import Surface

PREFIXES = ("/openapi.json", "/reference", "/docs", "/llms.txt", "/llms-full.txt")


def surface(described: Callable[[], Sequence[Surface]]) -> Surface:
    """Makes the surface; `described` returns those that the reference is about, once it is asked for."""

    def routes(core: Core) -> list[BaseRoute]:
        def make() -> ASGIApp:
            from imgen.surfaces.reference.pages import application

            return application(core, described())

        return [LazyApp(PREFIXES, make)]

    return Surface(prefixes=PREFIXES, routes=routes)
