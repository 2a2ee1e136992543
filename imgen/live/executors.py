"""Executors of Redis commands: one for the API, with one round trip for all commands of an event-loop turn, one for workers.

Both raise `Unavailable` when Redis does not answer; the caller then reads SQL, the system of record.
"""

import asyncio
import time
from typing import Any, TypeVar

import hiredis
import redis
import redis.asyncio

from imgen.domain.errors import Unavailable
from imgen.live.command import Arguments, Command
from imgen.live.connection import Connection

T = TypeVar("T")

TIMEOUT_S = 5.0
"""Enough for a server that rewrites its log; without a limit a half-open connection hangs for minutes."""
DOWN_S = 0.5
"""After a failure commands fail at once for this long, so that polls do not queue up behind a dead server."""
CONNECTIONS = 2
"""While one batch is under way the next is collected and sent; a third would only make batches smaller."""

_Waiting = tuple[Command[Any], "asyncio.Future[Any]"]


class PipeliningExecutor:
    """Executor of the API, for one event loop."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._pool: redis.asyncio.ConnectionPool = redis.asyncio.ConnectionPool.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, protocol=2, max_connections=CONNECTIONS
        )
        self._idle: list[Connection] = []
        self._under_way = 0
        self._pending: list[_Waiting] = []
        self._scheduled = False
        self._down_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, command: Command[T]) -> "asyncio.Future[T]":
        """Schedules the command with all others of this turn of the loop; the result may be awaited later.

        Raises:
            Unavailable: when awaited, if Redis does not answer.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._down_until and time.monotonic() < self._down_until:
            _fail(future, Unavailable())
            return future
        self._pending.append((command, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    async def close(self) -> None:
        """Waits for sent batches, then closes the connections."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._idle:
            link.close()
        self._idle.clear()

    def _flush(self) -> None:
        self._scheduled = False
        if not self._pending or self._under_way >= CONNECTIONS:
            return
        batch, self._pending = self._pending, []
        self._under_way += 1
        task = asyncio.get_running_loop().create_task(self._exchange(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, batch: list[_Waiting]) -> None:
        calls = [arguments for command, _ in batch for arguments in command.calls]
        try:
            replies = await self._round_trip(calls)
        except (redis.RedisError, OSError, TimeoutError) as exc:
            self._down_until = time.monotonic() + DOWN_S
            for _, future in batch:
                failure = Unavailable()
                failure.__cause__ = exc
                _fail(future, failure)
        else:
            self._down_until = 0.0
            is_clean = hiredis.ReplyError not in map(type, replies)
            position = 0
            for command, future in batch:
                own = replies[position : position + len(command.calls)]
                position += len(command.calls)
                if not is_clean and (refused := [reply for reply in own if isinstance(reply, hiredis.ReplyError)]):
                    _fail(future, Unavailable(f"Redis refused: {refused[0]}"))
                elif not future.done():
                    future.set_result(command.decode(own))
        finally:
            self._under_way -= 1
            self._flush()

    async def _round_trip(self, calls: list[Arguments]) -> list[Any]:
        if self._idle:
            try:
                return await self._send(self._idle.pop(), calls)
            except redis.ConnectionError:
                pass  # closed while idle, as by a restart of the server: one new try
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py
        await connection.connect()
        return await self._send(Connection(connection), calls)

    async def _send(self, link: Connection, calls: list[Arguments]) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                replies = await link.exchange(calls)
        except BaseException:
            link.close()
            raise
        self._idle.append(link)
        return replies


def _fail(future: "asyncio.Future[Any]", failure: Unavailable) -> None:
    """Fails a future that may never be awaited, such as one of a refused request."""
    if not future.done():
        future.set_exception(failure)
        future.exception()


class BlockingExecutor:
    """Executor of a worker: sends at once, on the calling thread. Thread-safe; make it after forking."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            health_check_interval=int(TIMEOUT_S),
            protocol=2,
        )

    def run(self, command: Command[T]) -> T:
        """Sends the command.

        Raises:
            Unavailable: Redis does not answer.
        """
        try:
            pipeline = self._client.pipeline(transaction=False)
            for arguments in command.calls:
                pipeline.execute_command(*arguments)  # type: ignore[no-untyped-call]  # untyped in redis-py
            return command.decode([_raw(reply) for reply in pipeline.execute()])
        except (redis.RedisError, OSError) as exc:
            raise Unavailable from exc

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def _raw(reply: object) -> object:
    """Undoes the decoding of redis-py (of `SET` for one), so that decoders see one form of reply."""
    return b"OK" if reply is True else reply
