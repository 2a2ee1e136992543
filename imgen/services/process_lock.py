"""Lock that one process of the installation holds while it does what only one may do at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from imgen.domain.errors import Retryable
from imgen.records import locks
from imgen.records.database import Database

log = structlog.get_logger(__name__)

RENEWALS = 4
"""Renewals in the time for which a lock is held."""


class ProcessLock:
    """Lock by name, held by one owner: this value."""

    def __init__(self, database: Database, name: str, *, for_s: float) -> None:
        self._database = database
        self._name = name
        self._for_s = for_s
        self._owner = locks.new_owner()

    async def acquire(self) -> bool:
        """Takes or renews the lock; it stays held for `for_s` seconds. False: another process holds it."""
        return await self._database.writing(locks.acquire, self._name, self._owner, for_s=self._for_s)

    @contextlib.asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Renews the lock for as long as the block runs. Work that takes its time is not begun a second time elsewhere."""
        renewal = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def release(self) -> None:
        """Gives the lock back, also while the process is stopped; where that fails, the lock expires."""
        with contextlib.suppress(Retryable, RuntimeError, asyncio.CancelledError):
            await asyncio.shield(self._database.writing(locks.release, self._name, self._owner))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._for_s / RENEWALS)
            try:
                if not await self.acquire():
                    log.warning("another process took over", lock=self._name)
            except Retryable as exc:
                log.warning("lock not renewed", lock=self._name, reason=str(exc))
