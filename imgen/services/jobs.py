"""Jobs of a tenant: status, list, cancel. A status takes one Redis round trip; SQL is read only on a miss."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable

from msgspec import Struct

from imgen.domain.errors import BadId, CacheExpired, JobNotFound, Unavailable
from imgen.domain.ids import is_cached, is_job_id
from imgen.domain.job import ENDED, FINISH_QUEUE, OPEN, Job, State, View, render_queue, view_of
from imgen.domain.principal import Principal
from imgen.live import job_views, news, waiting
from imgen.live.job_views import CachedView
from imgen.records import job_transitions, jobs
from imgen.services.core import Core
from imgen.services.cursors import read_cursor, write_cursor

CACHED_ID_S = job_views.ENDED_VIEW_S
"""Time for which a `cache_` id can be polled (contract, section 2): as long as its view lives in Redis."""
RENDER_SHARE = 0.9
"""Share of a job's progress that the render half makes up."""


class JobStatus(Struct, frozen=True, kw_only=True):
    """Status of a job, for its owner."""

    view: View
    position: int | None = None
    """Position in the order of work among the jobs that wait for the same model, 1 is next; only before rendering."""
    progress: float | None = None
    """None: unknown. It is never less than an earlier poll got."""
    eta_s: int | None = None
    unserved_queue: str = ""
    """Queue in which the job waits although no worker consumes it; empty: one does."""


def get_view(core: Core, job_id: str) -> Awaitable[CachedView]:
    """Reads a view from Redis, scheduled by the call. Call it before awaiting authentication: both share one round trip."""
    return core.live.run(
        job_views.get_view(job_id if is_job_id(job_id) else "")
    )  # an id of megabytes is not sent to Redis


async def job_status(core: Core, principal: Principal, job_id: str, cached: Awaitable[CachedView]) -> JobStatus:
    """Returns the job's state with queue position, progress (0–1) and ETA while it is open.

    Raises:
        BadId: the text is no id.
        JobNotFound: no such job of this tenant.
        CacheExpired: the `cache_` id is unknown or more than one hour old.
    """
    if not is_job_id(job_id):
        raise BadId
    try:
        found = await cached
    except Unavailable:
        found = CachedView(None, None)
    view, run_id = found.view, core.live.run_id
    is_own = view is not None and view.tenant_id == principal.tenant.id  # another's is looked up like an unknown one
    if view is None or not is_own or (view.state in OPEN and core.live.has_failed_within(job_views.OPEN_VIEW_S)):
        view = await view_from_record(core, principal, job_id, run_id)
    return await status_of_view(core, job_id, CachedView(view, found.progress))


async def status_of_view(core: Core, job_id: str, found: CachedView) -> JobStatus:
    """Returns the state that a view tells, with queue position, progress and ETA while the job is open."""
    view = found.view
    assert view is not None
    if view.state in ENDED:
        return JobStatus(view=view)
    seconds = core.average_seconds.get(view.model)
    if view.state is State.QUEUED:
        queue = render_queue(view.model)
        before = await _jobs_before(core, queue, job_id)
        eta = None if seconds is None or before is None else round((before + 1) * seconds)
        return JobStatus(
            view=view,
            position=None if before is None else before + 1,
            progress=0.0,
            eta_s=eta,
            unserved_queue="" if await core.is_served(queue) else queue,
        )
    if view.state is State.RENDERING:
        done = found.progress  # unknown after a restart of Redis: 0 would be less than a poll before it got
        remaining = None if seconds is None else round(seconds * (1 - (done or 0.0)))
        return JobStatus(view=view, progress=None if done is None else round(RENDER_SHARE * done, 3), eta_s=remaining)
    return JobStatus(
        view=view,
        progress=RENDER_SHARE,
        eta_s=None if seconds is None else 1,
        unserved_queue="" if await core.is_served(FINISH_QUEUE) else FINISH_QUEUE,
    )


class JobsPage(Struct, frozen=True, kw_only=True):
    """One page of a tenant's jobs, newest first."""

    jobs: list[Job]
    cursor: str
    """Cursor of the next page; empty: there is none."""


async def list_jobs(core: Core, principal: Principal, *, limit: int, cursor: str, states: frozenset[State]) -> JobsPage:
    """Lists one page of the tenant's jobs; no states: all.

    Raises:
        InvalidField: `cursor` is not from an earlier page.
    """
    before, run_id = read_cursor(cursor) if cursor else None, core.live.run_id
    found = await core.database.reading(
        jobs.list_jobs, principal.tenant.id, limit=limit + 1, before=before, states=states
    )
    more = found[:limit]
    await _set_views(core, more, run_id)
    return JobsPage(jobs=more, cursor=write_cursor(more[-1].created_at, more[-1].id) if len(found) > limit else "")


async def cancel(core: Core, principal: Principal, job_id: str) -> Job:
    """Cancels an open job; its worker stops at the next step and cannot commit. Ended jobs do not change.

    Raises:
        BadId, JobNotFound: as for `job_status`.
    """
    if not is_job_id(job_id):
        raise BadId
    run_id = core.live.run_id
    job = await core.database.writing(job_transitions.cancel, job_id, principal.tenant.id)
    with contextlib.suppress(Unavailable):  # the row is cancelled; the worker notices when it renews its lease
        shown = core.live.run(news.moved(job, run_id))
        if job.state is State.CANCELLED:
            await core.live.run(job_views.request_cancel(job_id))
        await shown
    return job


async def view_from_record(core: Core, principal: Principal, job_id: str, run_id: str) -> View:
    """Makes the view of the row, and caches it for the next poll before it is told to this one.

    Raises:
        JobNotFound, CacheExpired: as for `job_status`.
    """
    try:
        view, created_at = await core.database.reading(jobs.find_view, job_id, tenant_id=principal.tenant.id)
    except JobNotFound:
        if is_cached(job_id):
            raise CacheExpired from None
        raise
    keep_s = CACHED_ID_S - (core.clock() - created_at if is_cached(job_id) else 0)
    if keep_s < 0:
        raise CacheExpired
    with contextlib.suppress(Unavailable):
        await core.live.run(job_views.set_view(job_id, view, run_id, keep_s=keep_s))
    return view


async def _set_views(core: Core, listed: Iterable[Job], run_id: str) -> None:
    """Caches the states of a list's jobs before they are told: a worker that died right after its commit has not."""
    since = core.clock() - 2 * job_views.OPEN_VIEW_S  # views of open jobs from before have expired
    recent = [job for job in listed if (job.ended_at is None or job.ended_at > since) and not is_cached(job.id)]
    with contextlib.suppress(Unavailable):
        await asyncio.gather(*(core.live.run(job_views.set_view(job.id, view_of(job), run_id)) for job in recent))


async def _jobs_before(core: Core, queue: str, job_id: str) -> int | None:
    try:
        return await core.live.run(waiting.position(queue, job_id))
    except Unavailable:
        return None
