"""The reconciler: finds lost messages, dead workers, overdue and outlived jobs, and mends or ends them.

Every API process runs it; a lock in SQL lets one at a time do the work. The queue is a hint, the record is the truth.
"""

import asyncio
import contextlib
import time
from collections import Counter

import structlog
from sqlalchemy import Connection

from imgen import configuration
from imgen.domain.errors import ImgenError, Retryable, Unavailable
from imgen.domain.job import Job, State, view_of
from imgen.live import epochs, job_views
from imgen.objects import ObjectStore
from imgen.records import cache, job_transitions, jobs, locks, reconcile, users
from imgen.services.core import Core

log = structlog.get_logger(__name__)

LOCK = "reconciler"
PUBLISH_GRACE_S = 3
"""A row this old without a message was left by a submitter that died or could not reach the broker."""
VANISH_GRACE_S = 5
"""A message may lie between the queue and a worker's record of it for a moment."""
SWEEP_EVERY_S = 60


class Reconciler:
    """Runs until it is cancelled."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._owner = locks.new_owner()
        self._swept_at = 0.0
        self._reloader = configuration.Reloader(lambda: configuration.load(core.settings))

    async def run(self) -> None:
        """Goes round for ever. A part that does not answer costs one round, never the loop."""
        pause_s = self._core.settings.jobs.reconcile_s
        try:
            while True:
                try:
                    await self.round()
                except ImgenError as exc:
                    log.warning("reconciler: a round failed", reason=str(exc))
                except Exception:  # an error nobody foresaw must not leave lost jobs lost
                    log.exception("reconciler: a round failed unexpectedly")
                await asyncio.sleep(pause_s)
        finally:
            await self._let_go()

    async def round(self) -> Counter[str]:
        """One look at everything, if this process holds the lock. Returns how many jobs it touched, by reason."""
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
            self._tell(reason, found)
        for reason, lost in (("never published", await self._unpublished()), ("message lost", await self._vanished())):
            did[reason] += await self._publish(lost)
            self._tell(reason, lost)
        if time.monotonic() - self._swept_at > SWEEP_EVERY_S:
            did["kept long enough"] += await self.sweep()
            self._swept_at = time.monotonic()
        return did

    async def _reload_configuration(self) -> None:
        """Reads the operator's files again on request: in each process, whichever holds the lock."""
        try:
            epoch = await self._core.live.run(epochs.read(epochs.CONFIGURATION))
        except Unavailable:
            return
        if self._reloader.is_due(epoch):
            read = await asyncio.to_thread(self._reloader.reload, epoch)
            self._core.configured = read or self._core.configured

    async def sweep(self) -> int:
        """Removes pictures and jobs past their keep, and masters nobody will finish. Returns how many jobs lost something."""
        core, now, day_s = self._core, self._core.clock(), 86400
        swept = 0
        for days, rows_too in (
            (core.settings.jobs.keep_pictures_days, False),
            (core.settings.jobs.keep_jobs_days, True),
        ):
            if not days:
                continue
            old = await core.database.reading(reconcile.expired, ended_before=now - days * day_s, rows_too=rows_too)
            for job in old:
                await asyncio.to_thread(_delete_pictures, core, job)
            ids = [job.id for job in old]
            await core.database.writing(reconcile.delete_jobs if rows_too else reconcile.drop_files, ids)
            swept += len(old)
        await core.database.writing(users.forget_old_sessions, now=now)
        await core.cache.sweep(core.objects, now=now, job_deadline_s=core.settings.jobs.deadline_s)
        await asyncio.to_thread(_delete_orphans, core.objects, before=now - 2 * core.settings.jobs.deadline_s)
        return swept

    async def _unpublished(self) -> list[Job]:
        return await self._core.database.reading(reconcile.unpublished, grace_s=PUBLISH_GRACE_S)

    async def _vanished(self) -> list[Job]:
        core, lost = self._core, list[Job]()
        for queue in await core.database.reading(reconcile.waiting_queues):
            is_empty = not await asyncio.to_thread(core.publisher.depth, queue)
            lost += await core.database.reading(
                reconcile.lost_messages, queue, queue_is_empty=is_empty, grace_s=VANISH_GRACE_S
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
            pass  # views of open jobs run out by themselves, those of ended ones are made from SQL

    def _tell(self, reason: str, found: list[Job]) -> None:
        if found:
            log.warning("reconciler", reason=reason, jobs=[job.id for job in found[:10]], number=len(found))

    async def _let_go(self) -> None:
        try:
            await asyncio.shield(self._core.database.writing(locks.release, LOCK, self._owner))
        except (Retryable, RuntimeError, asyncio.CancelledError):
            return  # the lock runs out by itself


def _delete_orphans(objects: ObjectStore, *, before: float) -> None:
    """Masters of jobs that were cancelled between their halves, or of attempts that were given up."""
    for stored in list(objects.list("work/")):
        if stored.modified_at < before:
            objects.delete(stored.key)


async def remove(core: Core, job: Job) -> None:
    """Takes an ended job away at once, with all its files and what the cache kept of it; the ledger keeps what it cost."""
    await asyncio.to_thread(_delete_pictures, core, job)

    def write(connection: Connection) -> None:
        reconcile.delete_jobs(connection, [job.id])
        if job.recipe.keep_as:
            cache.purge(connection, entry_ids=[job.recipe.keep_as])

    await core.database.writing(write)
    with contextlib.suppress(Unavailable):
        await core.live.run(job_views.delete_view(job.id))
        await core.live.run(epochs.bump(epochs.CACHE))


def _delete_pictures(core: Core, job: Job) -> None:
    """Everything a job may have left in the object store."""
    for prefix in (
        f"pictures/{job.tenant_id}/{job.gen_id}/",
        f"withheld/{job.tenant_id}/{job.gen_id}/",
        f"work/{job.id}/",
    ):
        for stored in list(core.objects.list(prefix)):
            core.objects.delete(stored.key)
