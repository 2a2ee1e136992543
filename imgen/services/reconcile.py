"""Reconciler: finds lost messages, dead workers and overdue jobs, and puts back, publishes or ends them.

Every API process runs it; a lock in SQL lets one at a time do the work. The queue is a hint, SQL the system of record.
"""

import asyncio
import time
from collections import Counter

import structlog

from imgen import configuration
from imgen.domain.errors import ImgenError, Retryable, Unavailable
from imgen.domain.job import Job, State, view_of
from imgen.live import epochs, job_views
from imgen.records import job_transitions, jobs, locks, reconcile
from imgen.services import retention
from imgen.services.core import Core

log = structlog.get_logger(__name__)

LOCK = "reconciler"
PUBLISH_GRACE_S = 3
"""Age of a row without a message at which its submitter has died or could not reach the broker."""
SWEEP_EVERY_S = 60
LOST_GRACE_S = 5
"""Time that a message may spend between the queue and the claim by a worker."""


class Reconciler:
    """Reconciler of one API process; runs until cancelled."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._owner = locks.new_owner()
        self._swept_at = 0.0
        self._reloader = configuration.Reloader(lambda: configuration.load(core.settings))

    async def run(self) -> None:
        """Runs rounds for ever. A part that does not answer ends one round, never the loop."""
        pause_s = self._core.settings.jobs.reconcile_s
        try:
            while True:
                try:
                    await self.round()
                except ImgenError as exc:
                    log.warning("reconciler: a round failed", reason=str(exc))
                except Exception:  # an unforeseen error must not stop the recovery of jobs
                    log.exception("reconciler: a round failed unexpectedly")
                await asyncio.sleep(pause_s)
        finally:
            await self._release()

    async def round(self) -> Counter[str]:
        """Runs one round if this process holds the lock. Returns the number of jobs changed, by reason."""
        core, did = self._core, Counter[str]()
        await self._reload_configuration()
        await core.request_counts.write(core.database, now=core.clock())
        core.average_seconds.update(await core.database.reading(jobs.average_seconds))
        hold_s = max(10, core.settings.jobs.reconcile_s * 5)
        if not await core.database.writing(locks.acquire, LOCK, self._owner, for_s=hold_s):
            return did
        for reason, found in (
            (
                "worker lost",
                await core.database.writing(reconcile.put_back_lost, max_attempts=core.settings.jobs.max_attempts),
            ),
            ("deadline passed", await core.database.writing(reconcile.end_overdue)),
        ):
            await self._show(found)
            did[reason] += len(found)
            self._log(reason, found)
        for reason, lost in (
            ("never published", await self._unpublished()),
            ("message lost", await self._lost_messages()),
        ):
            did[reason] += await self._publish(lost)
            self._log(reason, lost)
        if time.monotonic() - self._swept_at > SWEEP_EVERY_S:
            did["kept long enough"] += await retention.sweep(core)
            self._swept_at = time.monotonic()
        return did

    async def _reload_configuration(self) -> None:
        """Reads the operator's files again on request, in each process with or without the lock."""
        try:
            epoch = await self._core.live.run(epochs.read(epochs.CONFIGURATION))
        except Unavailable:
            return
        if self._reloader.is_due(epoch):
            read = await asyncio.to_thread(self._reloader.reload, epoch)
            self._core.configured = read or self._core.configured

    async def _unpublished(self) -> list[Job]:
        return await self._core.database.reading(reconcile.unpublished, grace_s=PUBLISH_GRACE_S)

    async def _lost_messages(self) -> list[Job]:
        core, lost = self._core, list[Job]()
        for queue in await core.database.reading(reconcile.waiting_queues):
            is_empty = not await asyncio.to_thread(core.publisher.depth, queue)
            lost += await core.database.reading(
                reconcile.lost_messages, queue, queue_is_empty=is_empty, grace_s=LOST_GRACE_S
            )
        return lost

    async def _publish(self, waiting: list[Job]) -> int:
        core = self._core
        for job in waiting:
            await asyncio.to_thread(core.publisher.publish, job.queue, job.id, job.priority)
            if job.state is State.QUEUED:
                await core.live.run(job_views.enqueue(job.id, priority=job.priority, created_at=job.created_at))
            await core.database.writing(job_transitions.note_published, job.id, job.queue)
        return len(waiting)

    async def _show(self, moved: list[Job]) -> None:
        try:
            for job in moved:
                await self._core.live.run(job_views.set_view(job.id, view_of(job)))
        except Unavailable:
            pass  # views of open jobs expire, those of ended ones are made from SQL

    def _log(self, reason: str, found: list[Job]) -> None:
        if found:
            log.warning("reconciler", reason=reason, jobs=[job.id for job in found[:10]], number=len(found))

    async def _release(self) -> None:
        try:
            await asyncio.shield(self._core.database.writing(locks.release, LOCK, self._owner))
        except (Retryable, RuntimeError, asyncio.CancelledError):
            return  # the lock expires
