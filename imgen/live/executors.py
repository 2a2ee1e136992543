"""Executors of Redis commands: one for the API, with one round trip for all commands of an event-loop turn, one for workers.

Both raise `Unavailable` when Redis does not answer, and for a reply that cannot be decoded; the caller then reads SQL, the
system of record.
"""

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import hiredis
import redis
import redis.asyncio

from imgen.domain.errors import RedisFull, Unavailable
from imgen.live import run_id
from imgen.live.command import Command, calls_for
from imgen.live.connection import Connection

T = TypeVar("T")

TIMEOUT_S = 5.0
"""Enough for a server that rewrites its log; without a limit a half-open connection hangs for minutes."""
API_TIMEOUT_S = 2.0
"""Less for requests, whose callers wait: SQL answers polls, and jobs are refused."""
PROBE_EVERY_S = 0.25
"""After a failure commands fail at once, so that polls do not queue up behind a dead server, until a probe succeeds."""
FULL = ("OOM ", "MISCONF ")
"""Beginnings of errors of a server over its `maxmemory`, and of one that cannot write its files."""
CONNECTIONS = 2
"""While one batch is under way the next is collected and sent; a third would only make batches smaller."""

_FAILURES = (redis.RedisError, OSError, TimeoutError)
_Waiting = tuple[Command[Any], "asyncio.Future[Any]"]


class PipeliningExecutor:
    """Executor of the API, for one event loop."""

    def __init__(self, url: str, *, timeout_s: float = API_TIMEOUT_S) -> None:
        self.run_id = ""
        """Of the server that answered last; empty: none has yet."""
        self.timeout_s = timeout_s
        self._pool: redis.asyncio.ConnectionPool = redis.asyncio.ConnectionPool.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, protocol=2, max_connections=CONNECTIONS
        )
        self._idle: list[Connection] = []
        self._under_way = 0
        self._pending: list[_Waiting] = []
        self._scheduled = False
        self._is_down = False
        self._failed_at = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, command: Command[T]) -> "asyncio.Future[T]":
        """Schedules the command with all others of this turn of the loop; the result may be awaited later.

        Raises:
            Unavailable: when awaited, if Redis does not answer, refuses the command or answers something undecodable.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._is_down:
            _fail(future, Unavailable())
            return future
        self._pending.append((command, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def has_failed_within(self, seconds: float) -> bool:
        """Returns whether Redis did not answer at some time in the last seconds, so that it may lack news of them."""
        return time.monotonic() - self._failed_at < seconds

    async def close(self) -> None:
        """Waits for sent batches, then closes the connections."""
        self._is_down = False
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._idle:
            link.close()
        self._idle.clear()

    def _flush(self) -> None:
        self._scheduled = False
        if self._is_down:
            _fail_all(self._pending, None)
            self._pending = []
        if not self._pending or self._under_way >= CONNECTIONS:
            return
        batch, self._pending = self._pending, []
        self._under_way += 1
        self._start(self._exchange(batch))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, batch: list[_Waiting]) -> None:
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._round_trip(batch)
        except _FAILURES as exc:
            failure = exc
            self._failed_at = time.monotonic()
            if not self._is_down:
                self._is_down = True
                self._start(self._probe())
        finally:
            _fail_all(batch, failure)  # nobody waits for ever, even if this task was cancelled or failed unexpectedly
            self._under_way -= 1
            self._flush()

    async def _round_trip(self, batch: list[_Waiting]) -> None:
        if self._idle:
            try:
                return await self._send(self._idle.pop(), batch)
            except redis.ConnectionError:
                pass  # closed while idle, as by a restart of the server: one new try
        return await self._send(await self._connect(), batch)

    async def _probe(self) -> None:
        """Ends the time in which commands fail at once, as soon as the server answers."""
        while self._is_down:
            await asyncio.sleep(PROBE_EVERY_S)
            self._failed_at = time.monotonic()
            with contextlib.suppress(*_FAILURES):
                async with asyncio.timeout(self.timeout_s):
                    self._idle.append(await self._connect())
                self._is_down = False

    async def _connect(self) -> Connection:
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py
        await connection.connect()
        link = Connection(connection)
        try:
            (reply,) = await link.exchange([hiredis.pack_command(run_id.ASK)])  # type: ignore[arg-type]  # as below
        except BaseException:
            link.close()
            raise
        link.run_id = self.run_id = run_id.parse_run_id(reply)
        return link

    async def _send(self, link: Connection, batch: list[_Waiting]) -> None:
        counts, packed = _pack(batch, link.run_id)
        try:
            replies = iter(await link.exchange(packed))
        except BaseException:
            link.close()
            raise
        self._idle.append(link)
        for (command, future), count in zip(batch, counts, strict=True):
            own = list(itertools.islice(replies, count))
            if not future.done():
                _settle(future, command, own)


def _pack(batch: list[_Waiting], server_run: str) -> tuple[list[int], list[bytes]]:
    """Packs the calls of a batch; returns their number by command. A command that cannot be packed fails alone, with 0."""
    counts, packed = [], list[bytes]()
    for command, future in batch:
        try:
            own = [hiredis.pack_command(call) for call in calls_for(command, server_run)]  # type: ignore[arg-type]  # the stub is wrong: tuples may have any length
        except (TypeError, ValueError) as exc:  # such as half of a surrogate pair
            _fail(future, Unavailable("This cannot be sent to Redis"), exc)
            own = []
        counts.append(len(own))
        packed += own
    return counts, packed


def _settle(future: "asyncio.Future[Any]", command: Command[Any], replies: list[Any]) -> None:
    try:
        future.set_result(decoded(command, replies))
    except Unavailable as exc:
        _fail(future, exc, exc.__cause__)


def decoded(command: Command[T], replies: list[Any]) -> T:
    """Decodes the replies of one command.

    Raises:
        RedisFull: Redis has no memory or disk left for a write.
        Unavailable: it refused a call, or what is stored there cannot be decoded.
    """
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            refusal = RedisFull if str(reply).startswith(FULL) else Unavailable
            raise refusal(f"Redis refused: {reply}")
    try:
        return command.decode(replies)
    except Exception as exc:  # whatever somebody put there, the other commands of the batch get their replies
        raise Unavailable(f"Redis holds something that cannot be decoded: {type(exc).__name__}") from exc


def _fail_all(batch: list[_Waiting], cause: BaseException | None) -> None:
    """Fails what is not done of a batch."""
    for _, future in batch:
        if not future.done():  # nearly always it is: an error for each would cost two microseconds
            _fail(future, Unavailable(), cause)


def _fail(future: "asyncio.Future[Any]", failure: Unavailable, cause: BaseException | None = None) -> None:
    """Fails a future that may never be awaited, such as one of a refused request; one that is done stays as it is."""
    if not future.done():
        failure.__cause__ = cause
        future.set_exception(failure)
        future.exception()


class BlockingExecutor:
    """Executor of a worker: sends at once, on the calling thread. Thread-safe; make it after forking."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._run_id = ""
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            health_check_interval=int(TIMEOUT_S),
            protocol=2,
            redis_connect_func=self._on_connect,
        )

    @property
    def run_id(self) -> str:
        """Of the server that answered last; empty: none does."""
        if not self._run_id:
            with contextlib.suppress(redis.RedisError, OSError):
                self._client.ping()
        return self._run_id

    def run(self, command: Command[T]) -> T:
        """Sends the command.

        Raises:
            Unavailable: Redis does not answer, refuses the command or answers something undecodable.
        """
        try:
            pipeline = self._client.pipeline(transaction=False)
            for arguments in calls_for(command, self.run_id):
                pipeline.execute_command(*arguments)  # type: ignore[no-untyped-call]  # untyped in redis-py
            replies = [_raw(reply) for reply in pipeline.execute()]
        except (redis.RedisError, OSError, ValueError) as exc:  # the last: a text that cannot be encoded
            raise Unavailable from exc
        return decoded(command, replies)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _on_connect(self, connection: redis.Connection) -> None:
        connection.on_connect()  # type: ignore[no-untyped-call]  # untyped in redis-py
        connection.send_command(*run_id.ASK)  # type: ignore[no-untyped-call]  # untyped in redis-py
        try:
            reply = connection.read_response(disable_decoding=True)
        except redis.ResponseError as exc:
            reply = exc
        self._run_id = run_id.parse_run_id(reply)


def _raw(reply: object) -> object:
    """Undoes the decoding of redis-py (of `SET` and `HSCAN`), so that decoders see one form of reply."""
    if isinstance(reply, tuple) and isinstance(reply[-1], dict):
        cursor, found = reply
        return [cursor, list(itertools.chain.from_iterable(found.items()))]
    return b"OK" if reply is True else reply
