"""Answers that clients wait for: a retry goes on with the wait of the request it repeats; without one the jobs are cancelled.

A client that has gone has half a minute to come again, to any API process. Each process renews what its requests wait for, so a
process that dies counts as all of its clients gone.
"""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import AsyncIterator

import structlog
from sqlalchemy import Connection

from imgen.domain.errors import DatabaseUnavailable, Retryable, Unavailable
from imgen.domain.principal import Principal
from imgen.live import job_views, news
from imgen.records import awaited_answers as records
from imgen.records.awaited_answers import Asker
from imgen.records.idempotency import Made
from imgen.services import rounds
from imgen.services.core import Core

log = structlog.get_logger(__name__)

TASK = "awaited answers"
EVERY_S = 5.0
PAGE = 250


class Wait:
    """Wait of one request for its answer."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.is_delivered = False
        """Set it once the answer, good or bad, was taken by the client."""

    def note(self, connection: Connection, made: Made) -> None:
        """Notes the new jobs of the request, in the transaction that makes them."""
        records.add(connection, self.asker, made)


def new_wait(principal: Principal, fingerprint: str) -> Wait:
    """Begins the wait of a request, whose fingerprint is that of its retries."""
    owner = principal.counted_as
    asker = Asker(tenant_id=principal.tenant.id, owner=owner, fingerprint=fingerprint, attempt=secrets.token_hex(16))
    return Wait(asker)


async def join(core: Core, wait: Wait) -> Made | None:
    """Goes on with the wait of an earlier request of the same key and body; None: there is none.

    Raises:
        Retryable: the database does not answer.
    """
    return await core.database.writing(records.join, wait.asker)


async def join_known(core: Core, wait: Wait, made: Made) -> None:
    """Goes on with the wait for known jobs.

    Raises:
        Retryable: the database does not answer.
    """
    await core.database.writing(records.join_known, wait.asker, made)


@contextlib.asynccontextmanager
async def waiting(core: Core, wait: Wait, answer_id: str) -> AsyncIterator[None]:
    """Waits while the block runs; afterwards the answer is delivered, or its client has half a minute to come again."""
    core.awaited_ids[answer_id] += 1
    try:
        yield
    finally:
        core.awaited_ids[answer_id] -= 1
        if not core.awaited_ids[answer_id]:
            del core.awaited_ids[answer_id]
        work = (
            core.database.writing(records.forget, answer_id)
            if wait.is_delivered
            else core.database.writing(records.leave, answer_id, wait.asker.attempt)
        )
        with contextlib.suppress(Retryable):  # what is not noted ends by itself
            await asyncio.shield(work)


class Abandonment:
    """Background task of one API process; runs until cancelled. All processes may work at the same time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._database_away_at = -math.inf

    async def run(self) -> None:
        """Runs rounds for ever."""
        await rounds.repeat(TASK, self.round, pause_s=EVERY_S)

    async def round(self, *, now: float | None = None) -> int:
        """Renews what this process waits for, and cancels what nobody waits for; returns the number of cancelled jobs.

        `now` is the time of the database, for tests.
        """
        try:
            return await self._round(now)
        except DatabaseUnavailable:
            self._database_away_at = time.monotonic()
            raise

    async def _round(self, now: float | None) -> int:
        core = self._core
        ids = sorted(core.awaited_ids)
        for start in range(0, len(ids), PAGE):
            await core.database.writing(records.renew, ids[start : start + PAGE], now=now)
        if time.monotonic() - self._database_away_at < records.LEFT_S:
            return 0  # others could not renew what they wait for, and get the time to do it now
        cancelled = 0
        for answer_id in await core.database.reading(records.left, limit=PAGE, now=now):
            cancelled += await self._settle(answer_id, now)
        return cancelled

    async def _settle(self, answer_id: str, now: float | None) -> int:
        core, run_id = self._core, self._core.live.run_id
        ended = await core.database.writing(records.settle, answer_id, now=now)
        if ended:
            log.info("jobs that nobody waits for are cancelled", jobs=[job.id for job in ended])
        told = [core.live.run(news.moved(job, run_id)) for job in ended]
        told += [core.live.run(job_views.request_cancel(job.id)) for job in ended]
        with contextlib.suppress(Unavailable):  # the rows are cancelled; workers notice when they renew their leases
            await asyncio.gather(*told)
        return len(ended)
