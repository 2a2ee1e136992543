"""Answer as server-sent events (WHATWG HTML, section 9.2): written as they come, a comment while none does.

It ends with its source, when its caller may no longer read, and when the server stops; a client that does not read is cut off.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple

from starlette.types import Message, Receive, Scope, Send

from imgen.asgi.connection import connection_control
from imgen.asgi.presence import disconnection

RECONNECT_MS = 2000
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx and others collect an answer otherwise
]
_COMMENT = b":\n\n"


def frame(*, event: str = "", data: bytes = b"", event_id: str = "") -> bytes:
    """Encodes one event; `data` is a single line. Without data it only sets the id."""
    lines = [b"event: " + event.encode()] if event else []
    lines += [b"id: " + event_id.encode()] if event_id else []
    lines += [b"data: " + data] if data else []
    return b"\n".join(lines) + b"\n\n"


class Unfinished(bytes):
    """Part of a frame that the next parts belong to: nothing may come between them."""


class Pace(NamedTuple):
    """Intervals of a stream, in seconds."""

    comment_s: float = 15
    """Longest silence."""
    check_s: float = 3
    """Interval at which the caller's right to read is looked at again."""
    send_s: float = 20
    """Time for a client to take what is sent; by then the buffers of both systems are full."""


PACE = Pace()


async def send_events(
    scope: Scope,
    receive: Receive,
    send: Send,
    frames: AsyncGenerator[bytes, None],
    *,
    may_read: Callable[[], Awaitable[bool]],
    pace: Pace = PACE,
    reconnect_ms: int = RECONNECT_MS,
    farewell: bytes = b"",
) -> bool:
    """Sends the frames until they end; closes their generator. Returns whether the client took the last byte.

    Args:
        scope: the request.
        receive: of its connection; it tells when the client has gone.
        send: of its connection.
        frames: encoded events, whole or in parts.
        may_read: whether the caller may still read, asked now and then.
        pace: intervals.
        reconnect_ms: pause before a client comes again by itself; 0: none is told.
        farewell: frame that ends the stream where its source has not; in the middle of a frame the connection is ended instead.
    """
    control = connection_control(scope)
    stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    control.when_stopping(lambda: None if stopped.done() else stopped.set_result(None))
    gone = asyncio.create_task(disconnection(receive))
    stream = _Stream(frames, gone, stopped, may_read, pace)

    async def write(message: Message) -> None:
        try:
            async with asyncio.timeout(pace.send_s):
                await send(message)
        except TimeoutError:
            raise _TooSlow from None

    try:
        await write({"type": "http.response.start", "status": 200, "headers": HEADERS})
        if reconnect_ms:
            await write(_part(b"retry: %d\n\n" % reconnect_ms))
        while (chunk := await stream.next_chunk()) is not None:
            await write(_part(chunk))
        is_whole = stream.has_ended and await control.all_taken(gone.done, within_s=pace.send_s)
        if stream.is_within or stream.has_ended != is_whole:
            control.abort()
            await asyncio.wait((gone,), timeout=1)  # the server then knows that nothing can be sent any more
        elif not gone.done():
            await write({"type": "http.response.body", "body": b"" if stream.has_ended else farewell})
    except _TooSlow:
        is_whole = False
        control.abort()
        await asyncio.wait((gone,), timeout=1)
    finally:
        control.when_stopping(None)
        gone.cancel()
        await stream.close()
    return is_whole


class _TooSlow(Exception):
    """Client that does not read."""


class _Stream:
    """Source of what is sent: frames, and comments in between."""

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        gone: "asyncio.Future[None]",
        stopped: "asyncio.Future[None]",
        may_read: Callable[[], Awaitable[bool]],
        pace: Pace,
    ) -> None:
        self._frames = frames
        self._ends = (gone, stopped)
        self._may_read = may_read
        self._pace = pace
        self._clock = asyncio.get_running_loop().time
        self._sent_at = self._checked_at = self._clock()
        self._pending: asyncio.Task[bytes | None] | None = None
        self.is_within = False
        """Whether the last part belongs to a frame that goes on."""
        self.has_ended = False
        """Whether the source has come to its end."""

    async def next_chunk(self) -> bytes | None:
        """Waits for the next frame, or for the time of a comment; None: the stream ends."""
        while True:
            self._pending = self._pending or asyncio.create_task(_next(self._frames))
            due_at = self._checked_at + self._pace.check_s
            if not self.is_within:
                due_at = min(due_at, self._sent_at + self._pace.comment_s)
            waited = (self._pending, *self._ends)
            await asyncio.wait(waited, timeout=max(0.0, due_at - self._clock()), return_when=asyncio.FIRST_COMPLETED)
            if any(end.done() for end in self._ends) or not await self._is_allowed():
                return None
            if self._pending.done():
                frame, self._pending, self._sent_at = self._pending.result(), None, self._clock()
                self.is_within, self.has_ended = isinstance(frame, Unfinished), frame is None
                return frame
            if not self.is_within and self._clock() >= self._sent_at + self._pace.comment_s:
                self._sent_at = self._clock()
                return _COMMENT

    async def close(self) -> None:
        """Ends the source."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.wait((self._pending,))
        await self._frames.aclose()

    async def _is_allowed(self) -> bool:
        if self._clock() < self._checked_at + self._pace.check_s:
            return True
        self._checked_at = self._clock()
        return await self._may_read()


def _part(chunk: bytes) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": True}


async def _next(frames: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(frames, None)
