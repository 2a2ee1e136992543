"""What the API says of itself, to people and to machines, without a sign-in: `/openapi.json`, `/reference`, `/docs`, `/llms.txt`.

One source for all of it: the wire's Structs, with words for their fields (fields.py), answers (answers.py) and errors
(failures.py), and the prose in docs/. Nothing of it is loaded before it is asked for.
"""

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core

FIRST_WORDS = frozenset({"openapi.json", "reference", "docs", "llms.txt", "llms-full.txt"})
"""What its paths begin with."""


def routes(core: Core) -> list[BaseRoute]:
    """All of it as one route."""

    def make() -> ASGIApp:
        from imgen.surfaces.reference.pages import application

        return application(core)

    return [LazyApp(FIRST_WORDS, make)]
