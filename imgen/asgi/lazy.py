"""Application that is made at its first request: a process that serves no such request never loads its modules."""

import asyncio
from collections.abc import Callable

from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp(BaseRoute):
    """All paths that begin with one of some words, as one route."""

    def __init__(self, first_words: frozenset[str], make: Callable[[], ASGIApp]) -> None:
        """`make` builds the application; it is called once, in a thread."""
        self._first_words = first_words
        self._make = make
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the path's first word."""
        is_ours = scope["type"] == "http" and scope["path"].strip("/").split("/")[0] in self._first_words
        return (Match.FULL if is_ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> None:  # type: ignore[override]  # pages are named by their paths
        """No page has a name."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on."""
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
        await self._app(scope, receive, send)
