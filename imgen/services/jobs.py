"""Jobs of a tenant: status, list, cancel. A status takes one Redis round trip; SQL is read only on a miss."""

import base64
import binascii
import contextlib
import math
from collections.abc import Awaitable

from msgspec import Struct

from imgen.domain.errors import BadId, CacheExpired, InvalidField, JobNotFound, Unavailable
from imgen.domain.ids import is_cached, is_job_id
from imgen.domain.job import Job, State, View, view_of
from imgen.domain.principal import Principal
from imgen.live import job_views
from imgen.live.job_views import CachedView
from imgen.records import job_transitions, jobs
from imgen.services.core import Core

CACHED_ID_S = job_views.ENDED_VIEW_S
"""Time for which a `cache_` id can be polled (contract, section 2): as long as its view lives in Redis."""
RENDER_SHARE = 0.9
"""Share of a job's progress that the render half makes up."""
_PROGRESS: dict[State, tuple[float, float]] = {
    State.QUEUED: (0.0, 0.0),
    State.RENDERING: (0.0, RENDER_SHARE),
    State.RENDERED: (RENDER_SHARE, 0.0),
    State.FINISHING: (RENDER_SHARE, 0.0),
}
"""Open state → progress at its beginning, and the share that denoising adds to it."""


class JobStatus(Struct, frozen=True, kw_only=True):
    """Status of a job, for its owner."""

    view: View
    position: int | None = None
    """Position among all waiting jobs, 1 is next; only before rendering."""
    progress: float | None = None
    eta_s: int | None = None


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
        view, denoised = await cached
    except Unavailable:
        view, denoised = None, None
    if view is None:
        view = await _from_record(core, principal, job_id)
    if view.tenant_id != principal.tenant.id:
        raise CacheExpired if is_cached(job_id) else JobNotFound
    if view.state not in _PROGRESS:
        return JobStatus(view=view)
    begins_at, render_share = _PROGRESS[view.state]
    done = denoised or 0.0
    seconds = core.average_seconds.get(view.model)
    if view.state is State.QUEUED:
        before = await _jobs_before(core, job_id)
        eta = None if seconds is None or before is None else round((before + 1) * seconds)
        return JobStatus(view=view, position=None if before is None else before + 1, progress=0.0, eta_s=eta)
    remaining = None if seconds is None else round(seconds * (1 - done)) if render_share else 1
    return JobStatus(view=view, progress=round(begins_at + render_share * done, 3), eta_s=remaining)


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
    before = _read_cursor(cursor) if cursor else None
    found = await core.database.reading(
        jobs.list_jobs, principal.tenant.id, limit=limit + 1, before=before, states=states
    )
    more = found[:limit]
    return JobsPage(jobs=more, cursor=_write_cursor(more[-1]) if len(found) > limit else "")


async def cancel(core: Core, principal: Principal, job_id: str) -> Job:
    """Cancels an open job; its worker stops at the next step and cannot commit. Ended jobs do not change.

    Raises:
        BadId, JobNotFound: as for `job_status`.
    """
    if not is_job_id(job_id):
        raise BadId
    job = await core.database.writing(job_transitions.cancel, job_id, principal.tenant.id)
    with contextlib.suppress(Unavailable):  # the row is cancelled; the worker notices when it renews its lease
        shown = core.live.run(job_views.set_view(job_id, view_of(job)))
        if job.state is State.CANCELLED:
            await core.live.run(job_views.request_cancel(job_id))
        await shown
    return job


async def _from_record(core: Core, principal: Principal, job_id: str) -> View:
    """Makes the view of the row, and caches it for the next poll."""
    try:
        job = await core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id)
    except JobNotFound:
        if is_cached(job_id):
            raise CacheExpired from None
        raise
    if is_cached(job_id) and core.clock() - job.created_at > CACHED_ID_S:
        raise CacheExpired
    view = view_of(job)
    if not is_cached(job_id):  # a new view would restart its hour
        with contextlib.suppress(Unavailable):
            await core.live.run(job_views.set_view_if_absent(job_id, view))
    return view


async def _jobs_before(core: Core, job_id: str) -> int | None:
    try:
        return await core.live.run(job_views.position(job_id))
    except Unavailable:
        return None


def _write_cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at!r} {job.id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        created_at, job_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        before = float(created_at), job_id
    except (binascii.Error, ValueError) as exc:
        raise InvalidField("cursor") from exc
    if not math.isfinite(before[0]) or not is_job_id(job_id):
        raise InvalidField("cursor")
    return before
