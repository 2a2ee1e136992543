"""ASGI application made at its first request: a process without such requests never loads its modules."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from imgen.threads import LOADING


async def pass_on(_request: Request, exc: Exception) -> Response:
    """Raises an unforeseen error again: the application around answers it, in the dialect of the path.

    To be the handler of `Exception`; without it Starlette answers 500 as plain text.
    """
    raise exc


class LazyApp(BaseRoute):
    """Route of all paths under some prefixes."""

    def __init__(self, prefixes: Iterable[str], make: Callable[[], ASGIApp]) -> None:
        """Takes prefixes of one segment each (`/`: the root alone), and `make`, which builds the application in a thread."""
        self._segments = frozenset(prefix.strip("/") for prefix in prefixes)
        self._make = make
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compares the path's first segment."""
        is_ours = scope["type"] == "http" and scope["path"].strip("/").split("/")[0] in self._segments
        return (Match.FULL if is_ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> None:  # type: ignore[override]  # routes of pages have no names
        """Raises NoMatchFound: routes of pages have no names."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the application, made first if need be."""
        async with self._lock:
            if self._app is None:
                self._app = await LOADING.run(self._make)
        await self._app(scope, receive, send)
