"""Opened engine: a remote engine's client in one worker process, its free calls, and the pause that it takes after failures."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable

from imgen.domain.errors import ImgenError, RemoteEngineAway, RemoteEngineBusy
from imgen.domain.remote_engine import EngineState, RemoteEngine
from workers.engines.remote.protocol import RemoteClient

FAILURES = 3
"""Failed calls in a row after which an engine pauses; one that cannot be reached does so at once."""


class OpenedEngine:
    """Remote engine with its client. Used in the event loop alone."""

    def __init__(
        self, remote: RemoteEngine, client: RemoteClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.remote = remote
        self.client = client
        self._clock = clock
        self._slots = asyncio.Semaphore(remote.calls)
        self._under_way = 0
        self._is_retired = False
        self._failures = 0
        self._paused_until = 0.0
        self._is_busy = False
        """Whether it asked for the pause itself: an answer to an earlier call does not end it then."""
        self._reason = ""
        """Reason of the latest pause; empty: the engine has answered since."""
        self._state = EngineState()
        self._is_tested = False
        """Whether after the pause one call has to succeed before others are made."""
        self._is_testing = False
        """Whether that call is under way."""

    @contextlib.asynccontextmanager
    async def slot(self, *, is_new: bool = True) -> AsyncIterator[Callable[[], None]]:
        """Waits until the engine may have one more call under way, and counts the block as one.

        Args:
            is_new: whether the engine is asked for a picture; it may always be asked for work that it has.

        Yields:
            Function that lets the next call begin before the block ends: the engine has answered this one.

        Raises:
            RemoteEngineAway: it pauses, or the first call after a pause has not ended yet.
        """
        if is_new:
            self._check_pause()
        self._under_way += 1
        is_test = False
        held = list[asyncio.Semaphore]()

        def answered() -> None:
            while held:
                held.pop().release()

        try:
            await self._slots.acquire()
            held.append(self._slots)
            if is_new:
                self._check_pause()
                is_test = self._is_testing = self._is_tested
            yield answered
        finally:
            answered()
            if is_test:
                self._is_testing = False
            self._under_way -= 1
            await self._close_if_done()

    def succeeded(self) -> None:
        """Ends a pause: the engine has answered. One that it asked for lasts: the call was made before that."""
        self._failures = 0
        if self._is_busy and self._clock() < self._paused_until:
            return
        self._reason, self._paused_until, self._is_busy = "", 0.0, False
        self._is_tested = self._is_testing = False
        self._state = EngineState()

    def took_work(self) -> None:
        """Lets further calls through after a pause of an engine that was down; one that failed has to give a picture first."""
        if self._failures < FAILURES:
            self._is_tested = self._is_testing = False

    @property
    def state(self) -> EngineState:
        """State for people; other threads may read it."""
        return self._state

    def failed(self, error: ImgenError) -> None:
        """Counts a call that gave no picture; the last of `FAILURES` in a row begins a pause."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._pause(self.remote.pause_s, error, is_busy=False)

    def is_away(self, error: RemoteEngineAway) -> None:
        """Begins a pause, as long as the engine asks for."""
        is_busy = isinstance(error, RemoteEngineBusy)
        self._pause(error.retry_after_s or self.remote.pause_s, error, is_busy=is_busy)

    async def retire(self) -> None:
        """Closes the client once its calls have ended: the operator changed the engine's entry."""
        self._is_retired = True
        await self._close_if_done()

    def _check_pause(self) -> None:
        left_s = self._paused_until - self._clock()
        if left_s <= 0 and self._is_testing:
            left_s = self.remote.connect_timeout_s
        if left_s > 0:
            raise RemoteEngineAway(self._reason, retry_after_s=math.ceil(left_s))

    def _pause(self, pause_s: float, error: ImgenError, *, is_busy: bool) -> None:
        """Begins a pause, or goes on with one; a shorter one does not end it earlier."""
        until = self._clock() + pause_s
        if until <= self._paused_until:
            return
        self._paused_until, self._reason, self._is_busy, self._is_tested = until, str(error), is_busy, not is_busy
        now, began = time.time(), self._state.since
        self._state = EngineState(
            reason=self._reason, code=error.code, since=now if began is None else began, until=now + pause_s
        )

    async def _close_if_done(self) -> None:
        if self._is_retired and not self._under_way:
            await self.client.close()
