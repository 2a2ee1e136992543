"""Reconciler: finds lost messages, dead workers and overdue jobs, and puts back, publishes or ends them.

Every API process runs it; a lock in SQL lets one at a time do the work. The queue is a hint, SQL the system of record.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from imgen import configuration
from imgen.domain.errors import DatabaseUnavailable, JobNotFound, LeaseLost, Retryable, Unavailable, UnreadableRow
from imgen.domain.job import Job
from imgen.live import epochs, news, waiting
from imgen.records import job_transitions, jobs, reconcile
from imgen.records.reconcile import WaitingJob
from imgen.services import rounds
from imgen.services.core import Core
from imgen.services.process_lock import ProcessLock
from imgen.services.waiting_check import WaitingCheck
from imgen.threads import BROKER, LOADING

log = structlog.get_logger(__name__)

LOCK = "reconciler"
LEAST_LOCK_S = 10.0
PUBLISH_GRACE_S = 3
"""Age of a row without a message at which its submitter has died or could not reach the broker."""
LOST_GRACE_S = 5
"""Time that a message may spend between the queue and the claim by a worker."""
MOST_UNANSWERED = 3
"""Jobs of one round that may wait for a locked row."""
LOGGED = 10
Repair = Callable[[Connection, str], Job | None]


class Reconciler:
    """Reconciler of one API process; runs until cancelled."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = ProcessLock(core.database, LOCK, for_s=max(LEAST_LOCK_S, core.settings.jobs.reconcile_s * 5))
        self._waiting = WaitingCheck(core)
        self._database_away_at = -math.inf
        self._reloader = configuration.Reloader(lambda: configuration.load(core.settings))

    async def run(self) -> None:
        """Runs rounds for ever."""
        try:
            await rounds.repeat(LOCK, self.round, pause_s=self._core.settings.jobs.reconcile_s)
        finally:
            await self._lock.release()

    async def round(self) -> Counter[str]:
        """Runs one round; repairs only if this process holds the lock. Returns the number of jobs changed, by reason."""
        try:
            return await self._round()
        except DatabaseUnavailable:
            self._database_away_at = time.monotonic()
            raise

    async def _round(self) -> Counter[str]:
        core = self._core
        await self._reload_configuration()
        await core.request_counts.write(core.database, now=core.clock())
        core.average_seconds.update(await core.database.reading(jobs.average_seconds))
        if not await self._lock.acquire():
            return Counter()
        async with self._lock.renewed():
            return await self._repair()

    async def _repair(self) -> Counter[str]:
        database, did = self._core.database, Counter[str]()
        put_back = partial(reconcile.put_back_lost, max_attempts=self._core.settings.jobs.max_attempts)
        repairs: tuple[tuple[str, Callable[..., list[str]], Repair], ...] = (
            ("worker lost", reconcile.lost, put_back),
            ("deadline passed", reconcile.overdue, reconcile.end_overdue),
        )
        if time.monotonic() - self._database_away_at < self._core.settings.jobs.lease_s:
            repairs = repairs[1:]  # living workers could not renew their leases, and get the time to do it now
        for reason, find, repair in repairs:
            run_id = self._core.live.run_id
            moved = await self._repair_each(await database.reading(find), repair)
            await self._show(moved, run_id)
            did[reason] += self._logged(reason, [job.id for job in moved])
        for reason, lost in (
            ("never published", await self._unpublished()),
            ("message lost", await self._lost_messages()),
        ):
            await self._publish(lost)
            did[reason] += self._logged(reason, [job.id for job in lost])
        strays, missing = await self._waiting.page()
        did["waited no more"] += self._logged("waited no more", strays)
        did["position lost"] += self._logged("position lost", missing)
        return did

    async def _repair_each(self, job_ids: list[str], repair: Repair) -> list[Job]:
        """Repairs jobs, each in its own transaction. Returns those that moved.

        One that moved meanwhile, is locked or cannot be read keeps no other from its repair.
        """
        moved, unanswered = [], 0
        for job_id in job_ids:
            try:
                job = await self._core.database.writing(repair, job_id)
            except (LeaseLost, JobNotFound):
                continue
            except UnreadableRow as exc:
                log.warning("reconciler: a job is left to another version", job=job_id, reason=str(exc))
                continue
            except Retryable as exc:
                unanswered += 1
                if unanswered == MOST_UNANSWERED:
                    raise  # the database is away, and each job would wait for it in turn
                log.warning("reconciler: a job could not be repaired", job=job_id, reason=str(exc))
                continue
            except Exception:  # its row, say, cannot be decoded
                log.exception("reconciler: a job could not be repaired", job=job_id)
                continue
            if job is not None:
                moved.append(job)
        return moved

    async def _reload_configuration(self) -> None:
        """Reads the operator's files again on request, in each process with or without the lock."""
        try:
            epoch = await self._core.live.run(epochs.read(epochs.CONFIGURATION))
        except Unavailable:
            return
        if self._reloader.is_due(epoch):
            read = await LOADING.run(self._reloader.reload, epoch)
            if read is not None:
                self._core.reconfigure(read)

    async def _unpublished(self) -> list[WaitingJob]:
        return await self._core.database.reading(reconcile.unpublished, grace_s=PUBLISH_GRACE_S)

    async def _lost_messages(self) -> list[WaitingJob]:
        core, lost = self._core, list[WaitingJob]()
        for queue in await core.database.reading(reconcile.waiting_queues):
            is_empty = not await BROKER.run(core.publisher.depth, queue)
            lost += await core.database.reading(
                reconcile.lost_messages, queue, queue_is_empty=is_empty, grace_s=LOST_GRACE_S
            )
        return lost

    async def _publish(self, unsent: list[WaitingJob]) -> None:
        core = self._core
        for job in unsent:
            await BROKER.run(core.publisher.publish, job.queue, job.id, job.priority)
            await core.live.run(waiting.add(job))
            await core.database.writing(job_transitions.note_published, job.id, job.queue)

    async def _show(self, moved: list[Job], run_id: str) -> None:
        try:
            for job in moved:
                await self._core.live.run(news.moved(job, run_id))
        except Unavailable:
            pass  # views of open jobs expire, those of ended ones are made from SQL

    def _logged(self, reason: str, job_ids: list[str]) -> int:
        if job_ids:
            log.warning("reconciler", reason=reason, jobs=job_ids[:LOGGED], number=len(job_ids))
        return len(job_ids)
