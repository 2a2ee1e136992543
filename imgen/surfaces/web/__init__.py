"""The web face: server-rendered pages for signed-in people, over the same services as every other surface.

A page is a handler in one of the rooms (rooms.py) and a template; desk.py holds what all of them need. Nothing of it is loaded
before the first page is asked for: an API host that nobody looks at carries no templates.
"""

import asyncio

from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from imgen.services.core import Core

FIRST_WORDS = frozenset({"", "panel", "play", "sign-in", "sign-out", "static"})
"""What the paths of pages begin with; all others are other surfaces'."""


def routes(core: Core) -> list[BaseRoute]:
    """All pages as one route."""
    return [_Pages(core)]


class _Pages(BaseRoute):
    """Makes the application at the first request."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the path's first word."""
        is_page = scope["type"] == "http" and scope["path"].strip("/").split("/")[0] in FIRST_WORDS
        return (Match.FULL if is_page else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> None:  # type: ignore[override]  # pages are named by their paths
        """No page has a name."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on."""
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
        await self._app(scope, receive, send)

    def _make(self) -> ASGIApp:
        from imgen.surfaces.web.rooms import application

        return application(self._core)
