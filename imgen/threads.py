"""Threads for blocking calls of the API, in pools by purpose: a part that is slow holds up its own calls and no others.

SQL has pools of its own (records/database.py), and so has a listing of many folders (services/object_folders.py); no other
module runs a call in a thread. A running call cannot be stopped: one that its caller has given up keeps its thread until its
own time-outs end it. So a pool whose threads are all held by such calls refuses further ones at once.
"""

import asyncio
import contextvars
import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from imgen.domain.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

MAX_WAITING = 256


class Pool:
    """Pool of threads for one purpose; they start with its first calls."""

    def __init__(self, name: str, *, threads: int, timeout_s: float, stalled_s: float | None = None) -> None:
        """Makes a pool.

        Args:
            name: purpose, for messages.
            threads: calls at one time; MAX_WAITING more may wait.
            timeout_s: time that a caller waits, for a thread and for the result.
            stalled_s: age of all running calls at which a pool without a free thread refuses more; None: calls may take long.
        """
        self.name = name
        self.threads = threads
        self.timeout_s = timeout_s
        self._stalled_s = stalled_s
        self._calls: set[Future[Any]] = set()
        self._begun_at: dict[int, float] = {}
        self._numbers = itertools.count()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a call in a thread.

        Raises:
            Unavailable: it took too long, or too many calls do.
        """
        if len(self._calls) >= self.threads + MAX_WAITING or self._is_stalled():
            raise Unavailable(f"{self.name}: too many calls wait")

        def work() -> T:
            number = next(self._numbers)
            self._begun_at[number] = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                del self._begun_at[number]

        call = self._executor.submit(contextvars.copy_context().run, work)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            async with asyncio.timeout(self.timeout_s) as limit:
                return await asyncio.wrap_future(call)
        except TimeoutError as exc:
            if not limit.expired():  # the call's own
                raise
            raise Unavailable(f"{self.name}: no result within {self.timeout_s:g} s") from exc

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix=self.name)

    def _is_stalled(self) -> bool:
        begun_at = list(self._begun_at.values())
        if self._stalled_s is None or len(begun_at) < self.threads:
            return False
        return time.monotonic() - max(begun_at) > self._stalled_s


BROKER = Pool("broker", threads=4, timeout_s=3, stalled_s=1)
"""Messages for workers, and the depths of queues. A message that is not sent in time is sent by the reconciler."""
OBJECTS = Pool("object store", threads=8, timeout_s=10, stalled_s=2)
"""Objects that a request reads, writes or deletes."""
FILES = Pool("files", threads=8, timeout_s=10, stalled_s=2)
"""Files of the object store that the API serves."""
PICTURES = Pool("pictures", threads=2, timeout_s=30)
"""Decoding of pictures that clients send: up to 420 MB of memory each, for a turned and transparent source of 32 megapixels."""
RECOGNITION = Pool("recognition", threads=2, timeout_s=60)
"""Searches of pictures for our watermark and fingerprint: few at a time, for each takes a core."""
SEARCH = Pool("search", threads=2, timeout_s=60)
"""Vectors of the semantic cache."""
EMBEDDING = Pool("embedding", threads=4, timeout_s=30)
"""Sentence model, in the embedder's process."""
PASSWORDS = Pool("passwords", threads=2, timeout_s=30)
"""Hashes of passwords: 64 MiB of memory each."""
LOADING = Pool("loading", threads=2, timeout_s=60)
"""Operator's files, and modules that are imported at first use."""
SWEEPING = Pool("sweeping", threads=2, timeout_s=600)
"""Batches of objects past their time."""
EXPORTS = Pool("exports", threads=2, timeout_s=120)
"""Steps of exports: a page of rows or a picture, which is read and packed."""
RESOLVING = Pool("resolving", threads=32, timeout_s=10)
"""Names of addresses that tenants name: their name servers may be slow."""
READINESS = Pool("readiness", threads=4, timeout_s=3, stalled_s=3)
"""Checks of `/readyz`."""
CLOSING = Pool("closing", threads=1, timeout_s=60)
"""Ends of the process's connections."""
POOLS = (
    BROKER,
    OBJECTS,
    FILES,
    PICTURES,
    RECOGNITION,
    SEARCH,
    EMBEDDING,
    PASSWORDS,
    LOADING,
    SWEEPING,
    EXPORTS,
    RESOLVING,
    READINESS,
    CLOSING,
)
