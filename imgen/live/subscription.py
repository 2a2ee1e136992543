"""Subscription of an API process to channels of Redis: one connection for all of them, opened again for ever when it is lost.

Messages that come meanwhile are lost; whoever needs them looks into SQL when `on_connect` is called.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import hiredis
import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection

from imgen.live.connection import Connection

TIMEOUT_S = 2.0
"""Time to connect, and for Redis to confirm a channel."""
PING_EVERY_S = 5.0
"""A link without a sign of life for twice as long is dead."""
PAUSE_S = 0.5
"""Pause after a failure."""
_FAILURES = (redis.RedisError, OSError, TimeoutError)


class Subscription:
    """Subscription for one event loop; connects with the first channel."""

    def __init__(self, url: str, *, on_message: Callable[[str, bytes], None], on_connect: Callable[[], None]) -> None:
        """Takes what is called with each message and its channel, and after each connection."""
        self._pool: redis.asyncio.ConnectionPool = redis.asyncio.ConnectionPool.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, protocol=2
        )
        self._on_message = on_message
        self._on_connect = on_connect
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        """Channel → done once Redis has confirmed it."""
        self._link: _Link | None = None
        self._is_away = False
        """Whether the latest connection failed or was lost."""
        self._task: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Returns whether messages come, as far as is known."""
        return self._link is not None

    @property
    def channels(self) -> frozenset[str]:
        """Returns the present channels."""
        return frozenset(self._confirmed)

    async def subscribe(self, channel: str) -> None:
        """Adds a channel; returns once its messages come, or after a while where Redis does not answer."""
        if channel not in self._confirmed:
            self._confirmed[channel] = asyncio.get_running_loop().create_future()
            if self._link is not None:
                self._link.call("SUBSCRIBE", channel)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        if not self._is_away:
            await asyncio.wait((self._confirmed[channel],), timeout=TIMEOUT_S)

    def unsubscribe(self, channel: str) -> None:
        """Removes a channel."""
        if self._confirmed.pop(channel, None) is not None and self._link is not None:
            self._link.call("UNSUBSCRIBE", channel)

    async def close(self) -> None:
        """Ends the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(*_FAILURES):
                await self._listen()
            self._is_away = True
            await asyncio.sleep(PAUSE_S)

    async def _listen(self) -> None:
        """Connects and takes messages until the connection is lost."""
        async with asyncio.timeout(TIMEOUT_S):
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py
            await connection.connect()
        link = _Link(connection, self._take)
        try:
            self._link, self._is_away = link, False
            for channel, confirmed in self._confirmed.items():
                if confirmed.done():  # by an earlier connection
                    self._confirmed[channel] = asyncio.get_running_loop().create_future()
                link.call("SUBSCRIBE", channel)
            self._on_connect()
            await link.lost()
        finally:
            self._link = None
            link.close()

    def _take(self, reply: Any) -> None:
        kind, channel, *more = reply
        if kind == b"message":
            self._on_message(channel.decode("utf-8", "replace"), more[0])
        elif kind == b"subscribe":
            confirmed = self._confirmed.get(channel.decode("utf-8", "replace"))
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)


class _Link(Connection):
    """Connection that only takes what the server pushes."""

    def __init__(self, connection: AbstractConnection, take: Callable[[Any], None]) -> None:
        super().__init__(connection)
        self._take = take
        self._ended = asyncio.Event()
        self._heard_at = time.monotonic()

    def call(self, *words: str) -> None:
        """Sends a command; its replies come like messages."""
        self._transport.write(hiredis.pack_command(words))  # type: ignore[arg-type]  # the stub is wrong: tuples may have any length

    async def lost(self) -> None:
        """Waits until the connection is lost."""
        while time.monotonic() - self._heard_at < 2 * PING_EVERY_S:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY_S):
                    await self._ended.wait()
                return
            self.call("PING")

    def data_received(self, data: bytes) -> None:
        """Passes each reply on."""
        self._heard_at = time.monotonic()
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not Ellipsis:
            if isinstance(reply, list):
                self._take(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the wait."""
        super().connection_lost(exc)
        self._ended.set()
