"""Error pages: whatever fails behind a page is answered in the frame of the panel, and logged if the fault is ours."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgen.asgi.endpoint import json_response
from imgen.asgi.lazy import pass_on
from imgen.domain import errors
from imgen.surfaces.surface import status_of

log = structlog.get_logger(__name__)

RenderError = Callable[..., Awaitable[Response]]
"""Renders the error page: (request, status, title, text)."""
_JSON_TEXTS = {404: "Not found", 405: "Method not allowed", 500: "Internal error"}
"""Texts for clients other than browsers."""
_FAULT = (
    "This page met a fault; the server's log has the details. Try again, and tell the operator if it happens again."
)


class Faults:
    """Middleware: answers an unforeseen error of a page. It is the innermost, because a page needs session and CSRF token."""

    def __init__(self, app: ASGIApp, render: RenderError) -> None:
        self._app = app
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request; a fault after the first byte can only be raised again."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if has_begun:
                raise
            request = Request(scope, receive)
            log.exception("page failed", path=request.url.path)
            await (await _answer(self._render, request, 500, "Something went wrong", _FAULT))(scope, receive, send)


def handlers(render: RenderError) -> Mapping[Any, Any]:
    """Returns the handlers of foreseen errors."""

    async def nothing_here(request: Request, _exc: Exception) -> Response:
        return await not_found(render, request)

    async def refused(request: Request, exc: HTTPException) -> Response:
        answer = await _answer(render, request, exc.status_code, "Not possible", exc.detail)
        answer.headers.update(exc.headers or {})
        return answer

    async def failed(request: Request, exc: errors.ImgenError) -> Response:
        is_ours = isinstance(exc, errors.Retryable | errors.ConfigurationError)
        if is_ours:
            log.error("page failed", path=request.url.path, reason=str(exc))
        text = "A part of the service does not answer. Try again in a moment." if is_ours else str(exc)
        return await render(request, 503 if is_ours else status_of(type(exc)), "Not possible", text)

    return {404: nothing_here, HTTPException: refused, errors.ImgenError: failed, Exception: pass_on}


async def not_found(render: RenderError, request: Request) -> Response:
    """Answers a path that leads nowhere."""
    return await _answer(render, request, 404, "Not found", "There is nothing here.")


async def _answer(render: RenderError, request: Request, status: int, title: str, text: str) -> Response:
    """Answers a browser with a page, any other client with JSON if the status has a text for it."""
    if "text/html" not in request.headers.get("accept", "") and status in _JSON_TEXTS:
        return json_response({"error": _JSON_TEXTS[status]}, status)
    return await render(request, status, title, text)
