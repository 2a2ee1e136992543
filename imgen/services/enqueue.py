"""Enqueueing of jobs: rows, holds and cache entries in one transaction, then their messages."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Plan
from imgen.domain.errors import GenerationFailed, Retryable, Unavailable
from imgen.domain.job import Job
from imgen.live import news, waiting
from imgen.records import cache as cache_records
from imgen.records import job_transitions, jobs, ledger, tenants
from imgen.records.cache import PendingEntry
from imgen.services.core import Core
from imgen.services.publishing import Message
from imgen.services.recipes import with_new_ids

log = structlog.get_logger(__name__)

INSERT_TRIES = 3
NoteMade = Callable[[Connection, Sequence[Job]], None]


class CacheEntryPurged(Exception):
    """Purge of an entry to reuse, after the look-up."""


async def enqueue(
    core: Core,
    batch: Sequence[Job],
    plan: Plan,
    *,
    pending: PendingEntry | None = None,
    is_looked_up: bool = False,
    note_made: NoteMade | None = None,
) -> list[Job]:
    """Stores and publishes the jobs of one request, all or none; returns them with their ids.

    Args:
        core: the core.
        batch: new jobs of one tenant, at least one; cache hits come first.
        plan: of the tenant.
        pending: entry of the semantic cache for each new picture that is to be kept.
        is_looked_up: whether to count a look-up in the semantic cache for each.
        note_made: called with the jobs in the transaction that stores them; what it raises is raised.

    Raises:
        QueueFull, QuotaExceeded: see ledger.hold.
        TenantClosed: the tenant was deleted since the request came.
        CacheEntryPurged: an entry to reuse is purged; look the request up again.
        Retryable: the database does not answer, or its disk is full; no job is made.
        GenerationFailed: no id was free.
    """
    run_id = core.live.run_id
    stored = await _insert(core, batch, plan, pending, is_looked_up=is_looked_up, note_made=note_made)
    await _publish(core, stored, run_id)
    return stored


async def _insert(
    core: Core,
    batch: Sequence[Job],
    plan: Plan,
    pending: PendingEntry | None,
    *,
    is_looked_up: bool,
    note_made: NoteMade | None,
) -> list[Job]:
    def write(connection: Connection, batch: Sequence[Job]) -> list[Job]:
        tenants.require(connection, batch[0].tenant_id)
        if note_made is not None:  # first: a request that came before holds its row until its jobs are stored
            note_made(connection, batch)
        stored = [jobs.add_now(connection, job) for job in batch]
        for job in stored:
            ledger.hold(connection, job, plan)
        hits = sorted(job.recipe.cache_hit.entry_id for job in stored if job.recipe.cache_hit is not None)
        tenant_id, now = stored[0].tenant_id, stored[0].created_at
        if is_looked_up:
            misses = len(stored) - len(hits)
            cache_records.count_lookups(connection, tenant_id, hits=len(hits), misses=misses, now=now)
        for entry_id in hits:  # in the order of ids: no two requests wait for each other's
            if not cache_records.use(connection, entry_id, now=now):
                raise CacheEntryPurged
        for job in stored:
            if pending is not None and job.recipe.cache_entry_id:
                cache_records.add_pending(connection, pending, job)
        return stored

    for _ in range(INSERT_TRIES):
        with contextlib.suppress(
            IntegrityError
        ):  # an id is taken: after millions of jobs likely for a watermark's 48 bits
            return await core.database.writing(write, with_new_ids(batch))
    raise GenerationFailed


async def _publish(core: Core, batch: Sequence[Job], run_id: str) -> None:
    """Publishes the job ids. The rows already have `published_at`; if the broker refuses one, it is cleared in all of them.

    The reconciler then publishes again; a message that comes twice does no harm. If this process dies before it clears
    `published_at`, the reconciler finds the messages missing.
    """
    messages = [Message(job.queue, job.id, job.priority) for job in batch]
    updates = [core.live.run(news.moved(job, run_id)) for job in batch]
    updates += [core.live.run(waiting.add(job)) for job in batch]
    try:
        await asyncio.gather(core.messages.send(messages), *updates)
    except (Unavailable, Retryable) as exc:
        log.warning("jobs not published yet", jobs=[job.id for job in batch], reason=str(exc))
        with contextlib.suppress(Retryable):
            await core.database.writing(_note_unpublished, batch)


def _note_unpublished(connection: Connection, batch: Sequence[Job]) -> None:
    for job in batch:
        job_transitions.note_unpublished(connection, job)
