"""Answer whose body is made in pieces while it is sent, so that a large one is never in memory; its length is known before."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.types import Message, Send

from imgen.asgi.presence import Presence

SEND_S = 20.0
"""Time for a client to take a piece; one that reads nothing is cut off."""


async def send_pieces(
    send: Send,
    client: Presence,
    pieces: AsyncGenerator[bytes, None],
    *,
    size_bytes: int,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    send_s: float = SEND_S,
) -> bool:
    """Sends a JSON body; returns whether the client took its last byte.

    An error of the generator ends the connection, as the head is sent, and is raised again.

    Args:
        send: of the connection.
        client: whose connection it is.
        pieces: the body; closed at the end.
        size_bytes: its length.
        status: HTTP status.
        headers: further ones.
        send_s: time for a client to take a piece.
    """
    head = [(b"content-type", b"application/json"), (b"content-length", str(size_bytes).encode())]
    head += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    has_ended = False

    async def write(message: Message) -> None:
        async with asyncio.timeout(send_s):
            await send(message)

    try:
        async with aclosing(pieces):
            await write({"type": "http.response.start", "status": status, "headers": head})
            async for piece in pieces:
                if client.is_gone:
                    break
                await write({"type": "http.response.body", "body": piece, "more_body": True})
            has_ended = await client.control.all_taken(lambda: client.is_gone, within_s=send_s)
            await write({"type": "http.response.body", "body": b""})
    except TimeoutError:
        has_ended = False
    finally:
        if not has_ended:
            client.control.abort()
    return has_ended
