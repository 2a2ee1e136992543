"""Retention: deletes pictures, jobs and masters past their time, and a job at once on request."""

import asyncio
import contextlib

from sqlalchemy import Connection

from imgen.domain.errors import Unavailable
from imgen.domain.job import Job
from imgen.live import epochs, job_views
from imgen.objects import ObjectStore
from imgen.records import cache, reconcile, users
from imgen.services.core import Core


async def sweep(core: Core) -> int:
    """Deletes pictures and jobs past their time, and masters without a job. Returns the number of jobs changed."""
    now, day_s = core.clock(), 86400
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
    await core.database.writing(users.delete_expired_sessions, now=now)
    await core.cache.sweep(core.objects, now=now, job_deadline_s=core.settings.jobs.deadline_s)
    await asyncio.to_thread(_delete_orphans, core.objects, before=now - 2 * core.settings.jobs.deadline_s)
    return swept


def _delete_orphans(objects: ObjectStore, *, before: float) -> None:
    """Deletes masters of jobs cancelled between rendering and finishing, and of abandoned attempts."""
    for stored in list(objects.list("work/")):
        if stored.modified_at < before:
            objects.delete(stored.key)


async def delete_job(core: Core, job: Job) -> None:
    """Deletes an ended job at once, with all its files and its cache entry; its ledger entries stay."""
    await asyncio.to_thread(_delete_pictures, core, job)

    def write(connection: Connection) -> None:
        reconcile.delete_jobs(connection, [job.id])
        if job.recipe.cache_entry_id:
            cache.purge(connection, entry_ids=[job.recipe.cache_entry_id])

    await core.database.writing(write)
    with contextlib.suppress(Unavailable):
        await core.live.run(job_views.delete_view(job.id))
        await core.live.run(epochs.bump(epochs.CACHE))


def _delete_pictures(core: Core, job: Job) -> None:
    """Deletes all objects of a job."""
    for prefix in (
        f"pictures/{job.tenant_id}/{job.gen_id}/",
        f"withheld/{job.tenant_id}/{job.gen_id}/",
        f"work/{job.id}/",
    ):
        for stored in list(core.objects.list(prefix)):
            core.objects.delete(stored.key)
