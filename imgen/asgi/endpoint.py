"""HTTP below every surface: reads the key and the bounded body, writes JSON. Knows no dialect.

Plain ASGI instead of Starlette's Request and Response: a poll takes a tenth of a millisecond, and they would
add a fifth. The time-out of a body is in protocol.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from imgen.domain.errors import TooLarge, Unauthorized, Unavailable

Answer = tuple[int, bytes, Mapping[str, str]]
"""HTTP status, JSON body and further headers."""
AUTHORIZATION, X_API_KEY = b"authorization", b"x-api-key"
"""Headers with an API key."""
SPOOL_BYTES = 1024 * 1024
"""Length of a body up to which it stays in memory while it is spooled."""
_encode = msgspec.json.Encoder().encode


class Endpoint:
    """ASGI application made of a function from key and body to an answer. The body is read only if there is a key."""

    def __init__(self, answer: Callable[[Scope, Receive], Awaitable[Answer]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a client that has disconnected gets no answer."""
        try:
            status, body, more = await self._answer(scope, receive)
        except ClientDisconnect:
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> str:
    """Returns the value of a request's header, the first of several; empty: it is missing. `name` is in lower case."""
    for given, value in scope["headers"]:
        if given == name:
            return str(value, "latin-1")
    return ""


def headers(scope: Scope, name: bytes) -> list[str]:
    """Returns all values of a request's header. `name` is in lower case."""
    return [str(value, "latin-1") for given, value in scope["headers"] if given == name]


def remote_ip(scope: Scope) -> str:
    """Returns the client's IP address, behind a trusted proxy the one that it names; empty: a socket has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def sent_key(scope: Scope, key_headers: Collection[bytes] = (AUTHORIZATION,)) -> str:
    """Returns the raw API key of a request.

    Args:
        scope: the request.
        key_headers: headers that the surface takes keys from: AUTHORIZATION (`Bearer <key>`), X_API_KEY (the bare key).

    Raises:
        Unauthorized: there is none, or there are different ones.
    """
    sent = {_key_of(name, str(value, "latin-1")) for name, value in scope["headers"] if name in key_headers} - {""}
    if len(sent) != 1:
        raise Unauthorized
    return sent.pop()


def _key_of(name: bytes, value: str) -> str:
    if name == X_API_KEY:
        return value.strip()
    scheme, _, key = value.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def is_short(scope: Scope, max_bytes: int) -> bool:
    """Returns whether a request declares a body of at most so many bytes; one without a length may be of any."""
    declared = header(scope, b"content-length")
    return declared.isdecimal() and int(declared) <= max_bytes


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int) -> bytes:
    """Reads the whole body.

    Raises:
        TooLarge: its size or its Content-Length is over the limit; the rest is not read.
        starlette.requests.ClientDisconnect: the client disconnected.
    """
    _check_declared(scope, max_bytes)
    gathered = bytearray()  # not a list: a body that comes byte by byte would take fifty times its size
    while True:
        chunk, is_last = await _next_chunk(receive, max_bytes - len(gathered))
        if is_last and not gathered:  # nearly all bodies are one message
            return chunk
        gathered += chunk
        if is_last:
            return bytes(gathered)


async def spool_body(scope: Scope, receive: Receive, *, max_bytes: int) -> IO[bytes]:
    """Reads the whole body into a temporary file without a name, which the caller closes; a short one stays in memory.

    Raises:
        TooLarge, starlette.requests.ClientDisconnect: as for `read_body`.
        Unavailable: the disk is full.
    """
    file = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - the caller closes it
    try:
        async for chunk in body_chunks(scope, receive, max_bytes=max_bytes):
            file.write(chunk)
        file.seek(0)
    except OSError as exc:
        file.close()
        raise Unavailable(f"A body cannot be kept: {exc.strerror}") from exc
    except BaseException:
        file.close()
        raise
    return file


async def body_chunks(scope: Scope, receive: Receive, *, max_bytes: int) -> AsyncIterator[bytes]:
    """Yields the body as it comes.

    Raises:
        TooLarge, starlette.requests.ClientDisconnect: as for `read_body`.
    """
    _check_declared(scope, max_bytes)
    read, is_last = 0, False
    while not is_last:
        chunk, is_last = await _next_chunk(receive, max_bytes - read)
        read += len(chunk)
        yield chunk


def _check_declared(scope: Scope, max_bytes: int) -> None:
    declared = header(scope, b"content-length")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge


async def _next_chunk(receive: Receive, room: int) -> tuple[bytes, bool]:
    """Receives a part of a body, and whether it is the last one; `room` is what the limit leaves."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    chunk: bytes = message.get("body", b"")
    if len(chunk) > room:
        raise TooLarge
    return chunk, not message.get("more_body", False)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that replays an already read body; then it waits, like the true one, for the end of the connection."""
    given = iter((body,))

    async def replayed() -> Message:
        for whole in given:
            return {"type": "http.request", "body": whole, "more_body": False}
        return await receive()

    return replayed


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Encodes a Struct or plain value as an endpoint's answer."""
    return status, _encode(value), headers or {}


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Encodes a Struct or plain value as Starlette's response."""
    return Response(_encode(value), status, headers, media_type="application/json")
