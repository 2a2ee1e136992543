"""The web face: server-rendered pages for signed-in people, over the same services as every other surface.

A page is a handler in one of the rooms (rooms.py) and a template; desk.py holds what all of them need. Nothing of it is loaded
before the first page is asked for: an API host that nobody looks at carries no templates.
"""

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from imgen.asgi.lazy import LazyApp
from imgen.services.core import Core

FIRST_WORDS = frozenset({"", "panel", "play", "sign-in", "sign-out", "static"})
"""What the paths of pages begin with; all others are other surfaces'."""


def routes(core: Core) -> list[BaseRoute]:
    """All pages as one route."""

    def make() -> ASGIApp:
        from imgen.surfaces.web.rooms import application

        return application(core)

    return [LazyApp(FIRST_WORDS, make)]
