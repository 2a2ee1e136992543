"""Retention: deletes pictures, jobs and masters past their time, and a job at once on request.

The sweeper is a task of its own in every API process; a lock in SQL lets one at a time do the work. A round goes through the
whole backlog in batches. What cannot be deleted is logged, passed over and tried again in the next round.
"""

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping

import structlog
from sqlalchemy import Connection

from imgen.domain.errors import ImgenError, Unavailable
from imgen.domain.job import Job
from imgen.live import epochs, job_views
from imgen.records import (
    awaited_answers,
    cache,
    cache_days,
    engine_calls,
    idempotency,
    job_events,
    oauth_clients,
    oauth_tokens,
    picture_records,
    retention,
    users,
    webhook_log,
)
from imgen.services import input_files, logos, rounds
from imgen.services.core import Core
from imgen.services.object_folders import delete_folders, folders_of, manifests_of
from imgen.services.process_lock import ProcessLock
from imgen.threads import OBJECTS, SWEEPING

log = structlog.get_logger(__name__)

LOCK = "sweeper"
LOCK_S = 180.0
SWEEP_EVERY_S = 60
DAY_S = 86400
BATCH = 250
"""Jobs in one transaction: a few milliseconds of SQLite's only writer, and two or three requests to delete the files."""
EVENTS_AT_ONCE = 1000
KEYS_AT_ONCE = 1000
TOKENS_AT_ONCE = 1000
CALLS_AT_ONCE = 1000
CALL_GRACE_S = 900.0
"""Time after a job's end for which its engine's call stays open: longer than a call takes, and than a worker retries its end."""


class Sweeper:
    """Sweeper of one API process; runs until cancelled."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = ProcessLock(core.database, LOCK, for_s=LOCK_S)

    async def run(self) -> None:
        """Runs rounds for ever."""
        try:
            await rounds.repeat(LOCK, self.round, pause_s=SWEEP_EVERY_S)
        finally:
            await self._lock.release()

    async def round(self) -> int:
        """Runs one round if this process holds the lock. Returns the number of jobs changed."""
        if not await self._lock.acquire():
            return 0
        async with self._lock.renewed():
            return await sweep(self._core)


async def sweep(core: Core) -> int:
    """Deletes what is past its time, part by part; a part that fails stops no other. Returns the number of jobs changed."""
    swept = 0
    for name, part in PARTS.items():
        try:
            swept += await part(core)
        except ImgenError as exc:
            log.warning("sweep: a part failed", part=name, reason=str(exc))
        except Exception:  # an unforeseen error in one part must not keep the others for ever
            log.exception("sweep: a part failed unexpectedly", part=name)
    return swept


async def _old_pictures(core: Core) -> int:
    return await _old_jobs(core, keep_days=core.settings.jobs.keep_pictures_days, rows_too=False)


async def _old_rows(core: Core) -> int:
    return await _old_jobs(core, keep_days=core.settings.jobs.keep_jobs_days, rows_too=True)


async def _old_records(core: Core) -> int:
    """Deletes the records of published pictures past their time, with their manifest stores. 0 days: keeps for ever."""
    keep_days, after = core.settings.provenance.keep_records_days, None
    published_before = core.clock() - keep_days * DAY_S
    while keep_days and (
        batch := await core.database.reading(
            picture_records.expired, published_before=published_before, after=after, limit=BATCH
        )
    ):
        folders = {one.gen_id: (manifests_of(one.tenant_id, one.gen_id),) for one in batch}
        bare = await SWEEPING.run(delete_folders, core.objects, folders)
        await core.database.writing(picture_records.forget, sorted(bare))
        after = batch[-1].published_at, batch[-1].gen_id
    return 0


async def _old_jobs(core: Core, *, keep_days: float, rows_too: bool) -> int:
    """Deletes the files of jobs past their time, and the rows or the names of the files in them. 0 days: keeps for ever."""
    swept, after = 0, None
    ended_before = core.clock() - keep_days * DAY_S
    while keep_days and (
        batch := await core.database.reading(
            retention.expired, ended_before=ended_before, rows_too=rows_too, after=after, limit=BATCH
        )
    ):
        with_files = {job.id: folders_of(job) for job in batch if job.stripped_at is None}
        if rows_too:  # a store without a record belongs to an attempt that was not the last
            recorded = await core.database.reading(picture_records.recorded_among, [job.gen_id for job in batch])
            for job in batch:
                if job.gen_id not in recorded:
                    with_files[job.id] = (*with_files.get(job.id, ()), manifests_of(job.tenant_id, job.gen_id))
        bare = await SWEEPING.run(delete_folders, core.objects, with_files)
        bare |= {job.id for job in batch} - set(with_files)
        await core.database.writing(retention.delete_jobs if rows_too else retention.drop_files, bare)
        swept, after = swept + len(bare), (batch[-1].ended_at, batch[-1].id)
    return swept


async def _fingerprint_index(core: Core) -> int:
    """Builds the index of this host anew where it is due."""
    try:
        await SWEEPING.run(core.known_fingerprints.rebuild_if_due)
    except OSError as exc:
        log.warning("the index of fingerprints is not built", reason=str(exc))
    return 0


async def _sessions(core: Core) -> int:
    await core.database.writing(users.delete_expired_sessions, now=core.clock())
    return 0


async def _events(core: Core) -> int:
    while await core.database.writing(job_events.delete_old, limit=EVENTS_AT_ONCE) >= EVENTS_AT_ONCE:
        pass
    return 0


async def _idempotency_keys(core: Core) -> int:
    while await core.database.writing(idempotency.delete_expired, limit=KEYS_AT_ONCE) >= KEYS_AT_ONCE:
        pass
    return 0


async def _awaited_answers(core: Core) -> int:
    while await core.database.writing(awaited_answers.delete_old, limit=KEYS_AT_ONCE) >= KEYS_AT_ONCE:
        pass
    return 0


async def _oauth(core: Core) -> int:
    """Deletes codes and tokens past their time, and clients that nobody uses."""
    for delete in (oauth_tokens.delete_expired, oauth_clients.delete_unused):
        while await core.database.writing(delete, now=core.clock(), limit=TOKENS_AT_ONCE) >= TOKENS_AT_ONCE:
            pass
    return 0


async def _engine_calls(core: Core) -> int:
    """Books engines' calls as paid that a lost worker or a cancelled job has left open."""
    while await core.database.writing(engine_calls.end_abandoned, grace_s=CALL_GRACE_S, limit=CALLS_AT_ONCE) > 0:
        pass
    return 0


async def _cache_entries(core: Core) -> int:
    await core.cache.sweep(core.objects, now=core.clock(), job_deadline_s=core.settings.jobs.deadline_s)
    return 0


async def _cache_days(core: Core) -> int:
    """Sums up the look-ups of days that are over."""
    await core.database.writing(cache_days.roll_up, now=core.clock())
    return 0


async def _orphaned_masters(core: Core) -> int:
    """Deletes masters of jobs cancelled between rendering and finishing, and of abandoned attempts."""
    before = core.clock() - 2 * core.settings.jobs.deadline_s
    stale = await SWEEPING.run(
        lambda: [stored.key for stored in core.objects.list("work/") if stored.modified_at < before]
    )
    by_job = {key: list(keys) for key, keys in itertools.groupby(stale, key=lambda key: key.split("/")[1])}
    ids = iter(by_job)
    while batch := list(itertools.islice(ids, BATCH)):
        waiting = await core.database.reading(retention.open_among, batch)
        keys = [key for job_id in batch if job_id not in waiting for key in by_job[job_id]]
        if kept := await SWEEPING.run(core.objects.delete_many, keys):
            log.warning("masters not deleted", number=len(kept), reason=next(iter(kept.values())))
    return 0


async def _webhooks(core: Core) -> int:
    """Deletes deliveries of webhooks past their time, batch by batch. 0 days: keeps for ever."""
    keep_days = core.settings.webhooks.keep_days
    ended_before = core.clock() - keep_days * DAY_S
    while keep_days and await core.database.writing(webhook_log.delete_ended, ended_before=ended_before):
        pass
    return 0


PARTS: Mapping[str, Callable[[Core], Awaitable[int]]] = {
    "pictures": _old_pictures,
    "jobs": _old_rows,
    "records": _old_records,
    "fingerprints": _fingerprint_index,
    "sessions": _sessions,
    "events": _events,
    "idempotency keys": _idempotency_keys,
    "awaited answers": _awaited_answers,
    "oauth": _oauth,
    "engines' calls": _engine_calls,
    "cache": _cache_entries,
    "days of the cache": _cache_days,
    "masters": _orphaned_masters,
    "logos": logos.sweep_logos,
    "inputs": input_files.sweep,
    "webhooks": _webhooks,
}
"""Parts of a sweep, in their order; each returns the number of jobs that it changed."""


async def delete_job(core: Core, job: Job) -> None:
    """Deletes an ended job at once, with all its files, its manifest store and its cache entry; its ledger entries stay.

    Of a published picture a tombstone is left: its digest, its watermark id and the date.

    Raises:
        Unavailable: not all files could be deleted; the job stays, to be deleted again.
    """
    folders = (*folders_of(job), manifests_of(job.tenant_id, job.gen_id))
    if not await OBJECTS.run(delete_folders, core.objects, {job.id: folders}):
        raise Unavailable("The object store keeps a file of this job")

    def write(connection: Connection) -> None:
        retention.delete_jobs(connection, [job.id])
        picture_records.remove(connection, job.gen_id)
        if job.recipe.cache_entry_id:
            cache.purge(connection, entry_ids=[job.recipe.cache_entry_id])

    await core.database.writing(write)
    await logos.delete_unused_logo(core, job.recipe.visible_watermark.image_key)
    await input_files.delete_unused(core, job)
    with contextlib.suppress(Unavailable):
        await core.live.run(job_views.delete_view(job.id))
        await core.live.run(epochs.bump(epochs.CACHE))
