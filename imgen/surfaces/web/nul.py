"""NUL in requests of browsers: no id and no text has one, and PostgreSQL refuses it. A path with one leads nowhere."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class WithoutNul:
    """Middleware: answers 404 where the path has a NUL, and drops it from the query."""

    def __init__(self, app: ASGIApp, render_not_found: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._render = render_not_found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif "\0" in scope["path"]:
            await (await self._render(Request(scope, receive)))(scope, receive, send)
        else:
            query = scope["query_string"].replace(b"%00", b"")
            await self._app({**scope, "query_string": query}, receive, send)


async def form_of(request: Request) -> FormData:
    """Reads a form; its texts lose their NULs, its files do not."""
    given = await request.form()
    plain = [(name, text.replace("\0", "") if isinstance(text, str) else text) for name, text in given.multi_items()]
    return FormData(plain)
