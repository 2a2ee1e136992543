"""Following of jobs: each transition in its order, and progress between them, from the present or from an earlier place on.

The place is the number of an event of the tenant. Events are in SQL for a day, so nobody misses one while away; who comes from
an earlier time, or from nowhere, begins with the present state of the jobs.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.errors import BadId, CacheExpired, InvalidField, JobNotFound, Unavailable
from imgen.domain.ids import is_cached, is_job_id
from imgen.domain.job import ENDED, State, View, rank_of, state_for_owner
from imgen.domain.principal import Principal
from imgen.live.job_views import CachedView
from imgen.records import job_events, jobs
from imgen.records.job_events import JobEvent
from imgen.services import jobs as job_service
from imgen.services.core import Core
from imgen.services.jobs import CACHED_ID_S, JobStatus
from imgen.services.tenant_news import Listener, Progress

MOST_JOBS = 100
"""Jobs that one caller may name."""
PAGE = 200
"""Events that are read again at a time."""


class Update(Struct, frozen=True, kw_only=True):
    """News for a follower; either part may be missing."""

    number: int | None = None
    """Place from which the follower can go on later; None: that of the update before."""
    job_id: str = ""
    status: JobStatus | None = None
    """Status of the job; None: only a place is told."""


class _Start(NamedTuple):
    number: int
    """Number of the tenant's latest event."""
    views: dict[str, View]
    is_resumed: bool
    has_missed: bool
    """Whether there are events since the place."""


class Following:
    """Jobs that one caller follows; made by `follow`."""

    def __init__(self, core: Core, principal: Principal, listener: Listener, start: _Start, after: int | None) -> None:
        self._core = core
        self._principal = principal
        self._listener = listener
        self._start = start
        self._number = after if start.is_resumed and after is not None else start.number
        self._open = {job_id for job_id, view in start.views.items() if view.state not in ENDED or start.has_missed}
        """Named jobs whose end is still to be told."""
        self._ranks: dict[str, int] = {}
        """Ranks of the open jobs that were told, so that none goes backward."""
        if not start.is_resumed:
            self._open = set(start.views)

    @property
    def has_nothing_left(self) -> bool:
        """Returns whether all named jobs have ended and their follower knows it."""
        return bool(self._start.views) and not self._open

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Yields what happens, until all named jobs have ended; if none are named, for ever.

        Raises:
            Retryable: the database does not answer; go on later from the latest place.
        """
        async for first in self._first():
            yield first
        while not self.has_nothing_left:
            await self._listener.changed()
            events, progress, is_behind = self._listener.take()
            if is_behind:
                async for missed in self._missed():
                    yield missed
            for event in events:
                if event.number > self._number and (update := await self._transition(event)):
                    yield update
            for job_id, further in progress.items():
                if update := await self._progress(job_id, further):
                    yield update

    async def _first(self) -> AsyncIterator[Update]:
        """Yields what was missed, then the present state of each open job; for one who comes from nowhere that of all."""
        if self._start.is_resumed:
            async for missed in self._missed():
                yield missed
        for job_id in tuple(self._start.views):
            if job_id in self._open and job_id not in self._ranks and (update := await self._present(job_id)):
                yield update
        self._number = max(self._number, self._start.number)
        yield Update(number=self._number)

    async def _missed(self) -> AsyncIterator[Update]:
        """Yields the events since the latest place, from SQL."""
        page: Sequence[JobEvent] = ()
        while not page or len(page) == PAGE:
            page = await self._core.database.reading(
                job_events.since,
                self._principal.tenant.id,
                page[-1].number if page else self._number,
                limit=PAGE,
                job_ids=self._listener.job_ids,
            )
            for event in page:
                if update := await self._transition(event):
                    yield update
            if not page:
                return

    async def _present(self, job_id: str) -> Update | None:
        known = self._start.views[job_id]
        try:
            found = await self._seen(job_id, known.state, known.rank)
        except (JobNotFound, CacheExpired):
            self._open.discard(job_id)
            return None
        status = await job_service.status_of_view(self._core, job_id, found)
        self._note(job_id, status.view.state, status.view.rank)
        return Update(job_id=job_id, status=status)

    async def _transition(self, event: JobEvent) -> Update | None:
        """Makes the update of an event; None: a later state of the job was told before."""
        self._number = max(self._number, event.number)
        is_end = event.state in ENDED
        if self._start.views and event.job_id not in self._open:
            return None
        if not is_end and event.rank <= self._ranks.get(event.job_id, -1):
            return None
        try:
            status = await self._status_at(event)
        except (JobNotFound, CacheExpired):  # deleted since
            self._note(event.job_id, State.CANCELLED, 0)
            return None
        self._note(event.job_id, event.state, event.rank)
        return Update(number=event.number, job_id=event.job_id, status=status)

    async def _progress(self, job_id: str, further: Progress) -> Update | None:
        """Makes the update of a running job's progress; None: it is of an earlier state than that which was told."""
        rank = rank_of(State.RENDERING, further.fence)
        if self._ranks.get(job_id, rank) != rank or (self._start.views and job_id not in self._open):
            return None
        found = await self._cached(job_id)
        if found.view is None or found.view.rank != rank or found.view.state in ENDED or found.progress is None:
            return None
        return Update(job_id=job_id, status=await job_service.status_of_view(self._core, job_id, found))

    async def _status_at(self, event: JobEvent) -> JobStatus:
        """Returns the status that an event brought; of an open job with its details only if it is in that state still."""
        found = await self._seen(event.job_id, event.state, event.rank)
        assert found.view is not None
        if event.state in ENDED or (found.view.state not in ENDED and found.view.rank == event.rank):
            return await job_service.status_of_view(self._core, event.job_id, found)
        state = state_for_owner(event.state, event.fence)
        view = View(tenant_id=self._principal.tenant.id, state=state, model="", rank=event.rank)
        return JobStatus(view=view)

    async def _seen(self, job_id: str, state: State, rank: int) -> CachedView:
        """Returns the view that pollers get, made anew from the row where it is older than a state that SQL has.

        Raises:
            JobNotFound, CacheExpired: the job is deleted, or a `cache_` id too old.
        """
        found = await self._cached(job_id)
        if found.view is not None and (found.view.state in ENDED or (state not in ENDED and found.view.rank >= rank)):
            return found
        run_id = self._core.live.run_id
        view = await job_service.view_from_record(self._core, self._principal, job_id, run_id)
        return CachedView(view, None)

    async def _cached(self, job_id: str) -> CachedView:
        try:
            return await job_service.get_view(self._core, job_id)
        except Unavailable:
            return CachedView(None, None)

    def _note(self, job_id: str, state: State, rank: int) -> None:
        """Notes what was told of a job."""
        if state in ENDED:
            self._open.discard(job_id)
            self._ranks.pop(job_id, None)
        else:
            self._ranks[job_id] = rank


@contextlib.asynccontextmanager
async def follow(
    core: Core, principal: Principal, job_ids: Collection[str], *, after: int | None
) -> AsyncIterator[Following]:
    """Follows jobs of a principal's tenant while the block runs.

    Args:
        core: the core.
        principal: their owner.
        job_ids: the jobs; none: all of the tenant, as they change.
        after: number of the latest update that the follower has; None, too old or none of the tenant's: it begins anew.

    Raises:
        BadId: one of the texts is no id.
        InvalidField: they are too many.
        JobNotFound, CacheExpired: the tenant has no such job.
        Retryable: the database does not answer.
    """
    if len(job_ids) > MOST_JOBS:
        raise InvalidField("id")
    if not all(map(is_job_id, job_ids)):
        raise BadId
    named = tuple(dict.fromkeys(job_ids))
    async with core.awaiting.listen(principal.tenant.id, named) as listener:
        start = await core.database.reading(_start, principal.tenant.id, named, after, core.clock())
        yield Following(core, principal, listener, start, after)


def _start(connection: Connection, tenant_id: str, job_ids: Sequence[str], after: int | None, now: float) -> _Start:
    """Reads where the tenant's events and the named jobs are; the number first, so that no event lies between."""
    number = job_events.latest(connection, (tenant_id,)).get(tenant_id, 0)
    is_resumed = after is not None and _is_kept(connection, tenant_id, after, number)
    missed = (
        after is not None and is_resumed and job_events.since(connection, tenant_id, after, limit=1, job_ids=job_ids)
    )
    found = jobs.find_views(connection, job_ids, tenant_id=tenant_id) if job_ids else {}
    for job_id in job_ids:
        _, created_at = found.get(job_id, (None, None))
        if is_cached(job_id) and (created_at is None or now - created_at > CACHED_ID_S):
            raise CacheExpired
        if created_at is None:
            raise JobNotFound
    views = {job_id: found[job_id][0] for job_id in job_ids}
    return _Start(number, views, is_resumed, bool(missed))


def _is_kept(connection: Connection, tenant_id: str, after: int, number: int) -> bool:
    """Returns whether all events since a place are still there."""
    if not 0 <= after <= number:
        return False
    oldest = job_events.oldest(connection, tenant_id)
    return after == number or (oldest is not None and oldest <= after + 1)
