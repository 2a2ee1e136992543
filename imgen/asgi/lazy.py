"""Application that is made at its first request: a process that serves no such request never loads its modules."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp(BaseRoute):
    """All paths under some prefixes, as one route."""

    def __init__(self, prefixes: Iterable[str], make: Callable[[], ASGIApp]) -> None:
        """`prefixes` are of one segment each, `/` is the root alone; `make` builds the application once, in a thread."""
        self._segments = frozenset(prefix.strip("/") for prefix in prefixes)
        self._make = make
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compares the path's first segment."""
        is_ours = scope["type"] == "http" and scope["path"].strip("/").split("/")[0] in self._segments
        return (Match.FULL if is_ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> None:  # type: ignore[override]  # pages are named by their paths
        """Raises NoMatchFound: no page has a name."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on."""
        async with self._lock:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
        await self._app(scope, receive, send)
