"""Emptying of closed tenants: passes over everything that a tenant has, part by part, each in pieces that may be repeated.

The first pass after which nothing is left is told in the audit. Later ones take what a process wrote at that very moment: an
upload under way, or the picture of a worker whose job was cancelled. A process that dies leaves the rest to the next one; a lock
in SQL lets one at a time do the work.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping

import structlog
from sqlalchemy import Connection

from imgen.domain.errors import ImgenError, Unavailable
from imgen.domain.job import Job, State, render_queue
from imgen.live import epochs, job_views, news, tenant_traces, waiting
from imgen.objects import ObjectInfo
from imgen.records import audit, tenant_deletions
from imgen.records.tenant_deletions import TenantDeletion
from imgen.services import rounds
from imgen.services.core import Core
from imgen.services.object_folders import delete_folders
from imgen.services.process_lock import ProcessLock
from imgen.threads import SWEEPING

log = structlog.get_logger(__name__)

LOCK = "tenant deletions"
LOCK_S = 60.0
EVERY_S = 5.0
CANCELLED_AT_ONCE = 25
JOBS_AT_ONCE = 250
ROWS_AT_ONCE = 1000
FILES_AT_ONCE = 1000
FOLDERS = ("pictures", "manifests", "withheld", "inputs", "brands")
"""Folders of the object store that have one for each tenant."""


class TenantDeleter:
    """Deleter of one API process; runs until cancelled."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = ProcessLock(core.database, LOCK, for_s=LOCK_S)

    async def run(self) -> None:
        """Runs rounds for ever."""
        try:
            await rounds.repeat(LOCK, self.round, pause_s=EVERY_S)
        finally:
            await self.release()

    async def round(self) -> int | None:
        """Makes the passes that are due; returns the number of clean ones. None: another process does it."""
        if not await self._core.database.reading(tenant_deletions.due):
            return 0
        if not await self._lock.acquire():
            return None
        async with self._lock.renewed():
            found = await self._core.database.reading(tenant_deletions.due)
            return sum([await empty(self._core, one) for one in found])

    async def find(self, tenant_id: str) -> TenantDeletion | None:
        """Finds the deletion of a tenant; None: it is over."""
        found = await self._core.database.reading(tenant_deletions.due, tenant_id=tenant_id)
        return found[0] if found else None

    async def release(self) -> None:
        """Leaves the work to the other processes."""
        await self._lock.release()


async def empty(core: Core, deletion: TenantDeletion) -> bool:
    """Makes one pass over a closed tenant; a part that fails stops no other. Returns whether nothing is left."""
    is_clean = True
    for name, part in PARTS.items():
        try:
            is_clean &= await part(core, deletion.tenant_id)
        except ImgenError as exc:
            is_clean = False
            log.warning("tenant deletion: a part failed", tenant=deletion.tenant_id, part=name, reason=str(exc))
    await core.database.writing(_finish, deletion, is_clean=is_clean)
    return is_clean


def _finish(connection: Connection, deletion: TenantDeletion, *, is_clean: bool) -> None:
    done = tenant_deletions.finish_pass(connection, deletion, is_clean=is_clean)
    if done is not None:
        detail = {"name": done.name, "deleted": done.counts}
        audit.note(
            connection,
            actor=done.begun_by,
            action="deleted tenant",
            tenant_id=done.tenant_id,
            subject=done.tenant_id,
            detail=detail,
        )


async def _open_jobs(core: Core, tenant_id: str) -> bool:
    """Cancels the open jobs; their holds are released. Those of a newer version end by its processes, or at their deadline."""
    after = ""
    while True:
        run_id = core.live.run_id
        ended, after = await core.database.writing(
            tenant_deletions.cancel_open, tenant_id, after=after, limit=CANCELLED_AT_ONCE
        )
        await _show(core, ended, run_id)
        if not after:
            return not await core.database.reading(tenant_deletions.has_open, tenant_id)


async def _show(core: Core, ended: Collection[Job], run_id: str) -> None:
    """Tells waiting clients and running workers of the ends."""
    told = [core.live.run(news.moved(job, run_id)) for job in ended]
    told += [core.live.run(job_views.request_cancel(job.id)) for job in ended if job.state is State.CANCELLED]
    with contextlib.suppress(Unavailable):
        await asyncio.gather(*told)


async def _files(core: Core, tenant_id: str) -> bool:
    """Deletes the files of the tenant's own folders, in pieces of a listing."""
    is_clean = True
    for folder in FOLDERS:
        async for batch in _listed(core, f"{folder}/{tenant_id}/"):
            is_clean &= await _delete_files(core, tenant_id, [stored.key for stored in batch])
    return is_clean


async def _masters(core: Core, tenant_id: str) -> bool:
    """Deletes the masters of the tenant's jobs, whose folder is that of all jobs under way."""
    is_clean = True
    async for batch in _listed(core, "work/"):
        job_of = {stored.key: stored.key.split("/")[1] for stored in batch}
        own = await core.database.reading(tenant_deletions.jobs_among, tenant_id, sorted({*job_of.values()}))
        keys = [key for key, job_id in job_of.items() if job_id in own]
        is_clean &= await _delete_files(core, tenant_id, keys)
    return is_clean


async def _delete_files(core: Core, tenant_id: str, keys: list[str]) -> bool:
    if not keys:
        return True
    kept = await SWEEPING.run(core.objects.delete_many, keys)
    await core.database.writing(tenant_deletions.count, tenant_id, "files", len(keys) - len(kept))
    if kept:
        log.warning("tenant deletion: files stay", number=len(kept), reason=next(iter(kept.values())))
    return not kept


async def _cached_pictures(core: Core, tenant_id: str) -> bool:
    """Purges the entries of the semantic cache, and deletes their masters; one that another tenant's job reads waits for it."""
    is_clean, after = True, ""
    while found := await core.database.writing(
        tenant_deletions.purge_entries, tenant_id, after=after, limit=JOBS_AT_ONCE, now=core.clock()
    ):
        await core.live.run(epochs.bump(epochs.CACHE))
        in_use = await core.database.reading(tenant_deletions.masters_in_use, found)
        folders = {entry_id: (f"cache/{entry_id}/",) for entry_id in found if entry_id not in in_use}
        deleted = await SWEEPING.run(delete_folders, core.objects, folders)
        await core.database.writing(tenant_deletions.blank_entries, tenant_id, sorted(deleted))
        is_clean &= len(deleted) == len(found)
        after = found[-1]
    return is_clean


async def _job_rows(core: Core, tenant_id: str) -> bool:
    """Deletes the ended jobs with their views, and their places in the queues."""
    while found := await core.database.reading(tenant_deletions.ended_jobs, tenant_id, limit=JOBS_AT_ONCE):
        await _forget(core, found)
        await core.database.writing(tenant_deletions.delete_jobs, tenant_id, found)
        await _forget(core, found)  # a poll may have read a row a moment before, and set its view a moment after
    return True


async def _forget(core: Core, model_of: Mapping[str, str]) -> None:
    await core.live.run(job_views.delete_all(model_of))
    for model in set(model_of.values()):
        ids = [job_id for job_id, other in model_of.items() if other == model]
        await core.live.run(waiting.remove(render_queue(model), ids))


async def _rows(core: Core, tenant_id: str) -> bool:
    for kind in tenant_deletions.ROWS:
        while await core.database.writing(tenant_deletions.delete_rows, tenant_id, kind, limit=ROWS_AT_ONCE):
            pass
    return True


async def _traces(core: Core, tenant_id: str) -> bool:
    await core.live.run(tenant_traces.forget_counts(tenant_id, (), core.clock()))
    for pattern in tenant_traces.SHARES:
        cursor, is_first = 0, True
        while cursor or is_first:
            cursor, keys = await core.live.run(tenant_traces.scan(pattern, cursor))
            is_first = False
            if keys:
                await core.live.run(tenant_traces.forget_shares(keys, tenant_id))
    return True


async def _listed(core: Core, prefix: str) -> AsyncIterator[list[ObjectInfo]]:
    """Yields a listing in pieces; what was yielded may be deleted meanwhile."""
    found: Iterator[ObjectInfo] = await SWEEPING.run(core.objects.list, prefix)
    while batch := await SWEEPING.run(lambda: list(itertools.islice(found, FILES_AT_ONCE))):
        yield batch


PARTS: Mapping[str, Callable[[Core, str], Awaitable[bool]]] = {
    "open jobs": _open_jobs,
    "files": _files,
    "masters": _masters,
    "cached pictures": _cached_pictures,
    "jobs": _job_rows,
    "rows": _rows,
    "traces": _traces,
}
"""Parts of a pass, in their order; each returns whether nothing of it is left."""
