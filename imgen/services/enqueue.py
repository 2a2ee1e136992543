"""Enqueueing of a job: row, hold and cache entry in one transaction, then its message."""

import asyncio
import contextlib

import structlog
from msgspec import structs
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Plan
from imgen.domain.errors import GenerationFailed, Retryable, Unavailable
from imgen.domain.ids import new_cached_id, new_gen_id, new_job_id, new_watermark_id
from imgen.domain.job import Job, State, view_of
from imgen.live import job_views, waiting
from imgen.records import cache as cache_records
from imgen.records import job_transitions, jobs, ledger
from imgen.records.cache import PendingEntry
from imgen.services.core import Core
from imgen.threads import BROKER

log = structlog.get_logger(__name__)

INSERT_TRIES = 3


class CacheEntryPurged(Exception):
    """Purge of the entry to reuse, after the look-up."""


async def enqueue(
    core: Core, job: Job, plan: Plan, *, pending: PendingEntry | None = None, is_looked_up: bool = False
) -> Job:
    """Stores and publishes a job; returns it with its final ids.

    Args:
        core: the core.
        job: a new one.
        plan: of its tenant.
        pending: entry of the semantic cache for its picture.
        is_looked_up: whether to count a look-up in the semantic cache.

    Raises:
        QueueFull, QuotaExceeded: see ledger.hold.
        CacheEntryPurged: the entry to reuse is purged; look the request up again.
        Retryable: the database does not answer, or its disk is full; no job is made.
        GenerationFailed: no id was free.
    """
    run_id = core.live.run_id
    job = await _insert(core, job, plan, pending, is_looked_up=is_looked_up)
    await _publish(core, job, run_id)
    return job


async def _insert(core: Core, job: Job, plan: Plan, pending: PendingEntry | None, *, is_looked_up: bool) -> Job:
    cache_hit = job.recipe.cache_hit

    def write(connection: Connection, job: Job) -> Job:
        job = jobs.add_now(connection, job)
        ledger.hold(connection, job, plan)
        if is_looked_up:
            cache_records.count_lookup(connection, job.tenant_id, is_hit=cache_hit is not None, now=job.created_at)
        if cache_hit is not None:
            if not cache_records.use(connection, cache_hit.entry_id, now=job.created_at):
                raise CacheEntryPurged
        elif pending is not None:
            cache_records.add_pending(connection, pending, job)
        return job

    for _ in range(INSERT_TRIES):
        try:
            return await core.database.writing(write, job)
        except IntegrityError:  # a random id is taken: after millions of jobs likely for the 48 bits of a watermark id
            new_id = new_job_id if cache_hit is None else new_cached_id
            job = structs.replace(job, id=new_id(), gen_id=new_gen_id(), watermark_id=new_watermark_id())
    raise GenerationFailed


async def _publish(core: Core, job: Job, run_id: str) -> None:
    """Publishes the job id. The row already has `published_at`; if the broker refuses, it is cleared.

    The reconciler then publishes again. If this process dies before it clears `published_at`, the reconciler finds the
    message missing.
    """
    updates = [core.live.run(job_views.set_view(job.id, view_of(job), run_id))]
    if job.state is State.QUEUED:
        added = waiting.add(job.queue, job.id, priority=job.priority, created_at=job.created_at)
        updates.append(core.live.run(added))
    try:
        await asyncio.gather(BROKER.run(core.publisher.publish, job.queue, job.id, job.priority), *updates)
    except (Unavailable, Retryable) as exc:
        log.warning("job not published yet", job=job.id, reason=str(exc))
        with contextlib.suppress(Retryable):
            await core.database.writing(job_transitions.note_unpublished, job)
