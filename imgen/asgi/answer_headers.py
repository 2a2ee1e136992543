"""Headers of every answer: `X-Request-Id`; `RateLimit`, `X-Imgen-Warnings` and `Idempotency-Replayed` where they apply.

`RateLimit` and `RateLimit-Policy` are of draft-ietf-httpapi-ratelimit-headers-10: structured fields with one policy, `default`.
"""

import os
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgen.domain.rate import WINDOW_S, Rate

TOO_MANY_REQUESTS = 429
_KEY = "imgen.answer"
_current: ContextVar["AnswerContext | None"] = ContextVar("imgen.answer", default=None)


class AnswerContext:
    """Facts of one request for the headers of its answer; `rate` is set by the surface that counts the request."""

    __slots__ = ("is_replayed", "rate", "request_id", "warnings")

    def __init__(self) -> None:
        self.request_id = new_request_id()
        self.rate: Rate | None = None
        self.warnings: list[str] = []
        self.is_replayed = False

    def note_rate(self, rate: Rate) -> None:
        """Keeps the use of a rate."""
        self.rate = rate


class AnswerHeaders:
    """Middleware that adds the headers; the outermost one, so that no answer lacks them."""

    def __init__(self, app: ASGIApp, uncount: Callable[[Rate], Awaitable[None]]) -> None:
        """Takes `uncount`, called with the rate of each request that is answered 429: it does not count (contract, section 1)."""
        self._app = app
        self._uncount = uncount

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, with a context of its own."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = scope[_KEY] = AnswerContext()
        _current.set(context)
        structlog.contextvars.bind_contextvars(request=context.request_id)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_headers(context)]
                if message["status"] == TOO_MANY_REQUESTS and context.rate is not None:
                    await self._uncount(context.rate)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def answer_context(scope: Scope) -> AnswerContext:
    """Returns the context of a request; a new one where the middleware is not used."""
    context: AnswerContext = scope.get(_KEY) or AnswerContext()
    return context


def headers_of(scope: Scope) -> dict[str, str]:
    """Returns the headers of a request's answer, for one that the middleware does not see."""
    return {name.decode(): value.decode() for name, value in _headers(answer_context(scope))}


def begin_answer() -> AnswerContext:
    """Makes the context of an answer that is given before the middleware has the request."""
    context = AnswerContext()
    _current.set(context)
    return context


def current_request_id() -> str:
    """Returns the id of the present request, that of its `X-Request-Id`; a new one where the middleware is not used."""
    context = _current.get()
    return new_request_id() if context is None else context.request_id


def note_warning(text: str) -> None:
    """Adds a warning, in ASCII, to the answer of the present request; does nothing where the middleware is not used."""
    if (context := _current.get()) is not None:
        context.warnings.append(text)


def note_replay() -> None:
    """Notes that the present request was carried out before, under the same idempotency key."""
    if (context := _current.get()) is not None:
        context.is_replayed = True


def new_request_id() -> str:
    """Makes an id, such as `req_9f3c…`, with 128 random bits."""
    return "req_" + os.urandom(16).hex()


def _headers(context: AnswerContext) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", context.request_id.encode())]
    if (rate := context.rate) is not None:
        headers.append((b"ratelimit-policy", b'"default";q=%d;w=%d' % (rate.limit, WINDOW_S)))
        headers.append((b"ratelimit", b'"default";r=%d;t=%d' % (rate.remaining, rate.reset_s)))
    if context.is_replayed:
        headers.append((b"idempotency-replayed", b"true"))
    if context.warnings:
        headers.append((b"x-imgen-warnings", "; ".join(context.warnings).encode("ascii", "replace")))
    return headers
