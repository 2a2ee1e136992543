"""Connection of the API to Redis, as an asyncio protocol over hiredis: a batch of calls out, its replies back.

redis-py opens it (URL, TLS, AUTH, SELECT, socket options) and does no more: its own reader takes four coroutines a reply,
a third of the cost of a poll.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection


class Connection(asyncio.Protocol):
    """Connection that carries one batch at a time."""

    def __init__(self, connection: AbstractConnection) -> None:
        """Takes over the transport of a connected redis-py connection without unread bytes."""
        writer = connection._writer  # noqa: SLF001 - redis-py has no public way to its transport
        if writer is None:
            raise redis.ConnectionError("not connected")
        connection._reader = connection._writer = None  # noqa: SLF001 - else it would complain of not being closed
        self._writer = writer  # the writer closes the transport when it is collected
        self._transport: Any = writer.transport
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)
        self._replies: list[Any] = []
        self._wanted = 0
        self._waiting: asyncio.Future[list[Any]] | None = None
        self._is_lost = False
        self.run_id = ""
        """Of the server at its other end, once that is known."""
        self._transport.set_protocol(self)

    def exchange(self, packed: Sequence[bytes]) -> "asyncio.Future[list[Any]]":
        """Sends packed calls at once. Replies come in their order: bytes, ints, None, or a `hiredis.ReplyError` as a value.

        Raises:
            redis.ConnectionError: when awaited, if the server closed the connection, before or amid the replies.
        """
        waiting = asyncio.get_running_loop().create_future()
        if self._is_lost:
            waiting.set_exception(redis.ConnectionError("closed by the server"))
            return waiting
        if not packed:
            waiting.set_result([])
            return waiting
        self._replies, self._wanted, self._waiting = [], len(packed), waiting
        self._transport.write(b"".join(packed))
        return waiting

    def data_received(self, data: bytes) -> None:
        """Collects replies; the last one ends the wait."""
        self._reader.feed(data)
        replies, gets = self._replies, self._reader.gets
        while (reply := gets()) is not Ellipsis:
            replies.append(reply)
        if len(replies) >= self._wanted and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            if not waiting.done():
                waiting.set_result(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the waiting batch."""
        self._is_lost = True
        if self._waiting is not None and not self._waiting.done():
            failure = redis.ConnectionError("closed by the server")
            failure.__cause__ = exc
            self._waiting.set_exception(failure)
        self._waiting = None

    def close(self) -> None:
        """Closes the connection at once."""
        self._is_lost = True
        self._transport.abort()
