"""Queries and repairs of the reconciler: lost messages, dead workers, jobs past their deadline.

Jobs to repair are found by id alone and then moved one by one, each in a transaction of its own: one that moved meanwhile, or
whose row is broken, keeps no other from its repair, and rows of one tenant at a time are locked.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import structs
from sqlalchemy import Connection, Select, or_, select, tuple_

from imgen.domain.errors import DeadlinePassed
from imgen.domain.failure import failure_of
from imgen.domain.job import OPEN, RUNNING_AS, WAITING_AS, Job, State, deadline_error
from imgen.domain.outcome import FAILED_OUTCOME, timed_out_outcome
from imgen.records import clock, job_transitions
from imgen.records import jobs as job_records
from imgen.records.paging import hidden
from imgen.records.tables.jobs import jobs

_STATE = hidden(jobs.c.state)
_IS_WAITING = _STATE.in_(RUNNING_AS)
_IS_OPEN = jobs.c.ended_at.is_(None)
"""Condition of the partial indexes of open jobs; see tables/jobs.py."""


class WaitingJob(NamedTuple):
    """Job that waits for a worker, as far as its message and its position need it."""

    id: str
    queue: str
    state: State
    tenant_id: str
    priority: int
    created_at: float
    batch_index: int


def lost(connection: Connection, *, limit: int = 200, now: float | None = None) -> list[str]:
    """Finds running jobs with an expired lease."""
    query = select(jobs.c.id).where(jobs.c.lease_until < clock.at(now)).order_by(jobs.c.lease_until)
    return list(connection.execute(query.limit(limit)).scalars())


def put_back_lost(connection: Connection, job_id: str, *, max_attempts: int, now: float | None = None) -> Job | None:
    """Puts back a job whose lease has expired, or fails it if it has no attempts left. None: it is not lost any more.

    Raises:
        LeaseLost, JobNotFound: it moved meanwhile; nothing is changed.
    """
    job = job_records.find(connection, job_id)
    if job.state not in WAITING_AS:
        return None
    still = jobs.c.lease_until < clock.at(now)
    if job.attempts >= max_attempts:
        lost_again = job_transitions.LOST
        return job_transitions.end(
            connection, job, State.FAILED, FAILED_OUTCOME, failure=lost_again, now=now, only_if=still
        )
    return job_transitions.put_back(connection, job, now=now, only_if=still)


def overdue(connection: Connection, *, limit: int = 200, now: float | None = None) -> list[str]:
    """Finds open jobs past their deadline."""
    query = select(jobs.c.id).where(_IS_OPEN, jobs.c.deadline_at < clock.at(now)).order_by(jobs.c.deadline_at)
    return list(connection.execute(query.limit(limit)).scalars())


def end_overdue(connection: Connection, job_id: str, *, now: float | None = None) -> Job | None:
    """Ends an open job as timed out. None: it has ended meanwhile.

    Raises:
        LeaseLost, JobNotFound: it moved meanwhile; nothing is changed.
    """
    job = job_records.find(connection, job_id)
    if job.state not in OPEN:
        return None
    passed = deadline_error(job)
    failure = failure_of(passed)
    if job.error_reason:
        failure = structs.replace(failure_of(DeadlinePassed(f"{passed}. {job.error_reason}")), code=failure.code)
    return job_transitions.end(connection, job, State.TIMED_OUT, timed_out_outcome(passed), failure=failure, now=now)


def unpublished(
    connection: Connection, *, grace_s: float, limit: int = 500, now: float | None = None
) -> list[WaitingJob]:
    """Finds waiting jobs without a message: it was never sent, or the job was put back and is due again.

    The grace applies to first messages, which the submitter sends; the caller sends those of later attempts.
    """
    time = clock.at(now)
    is_later = or_(jobs.c.attempts > 0, jobs.c.waiting_since.is_not(None))
    is_due = or_(is_later, jobs.c.available_at < time - grace_s)
    query = _waiting_jobs().where(_IS_OPEN, _IS_WAITING, jobs.c.published_at.is_(None))
    query = query.where(jobs.c.available_at < time, is_due).order_by(jobs.c.available_at)
    return _found(connection, query.limit(limit))


def waiting_queues(connection: Connection) -> list[str]:
    """Lists the queues with waiting jobs."""
    return list(connection.execute(select(jobs.c.queue).where(_IS_OPEN, _IS_WAITING).distinct()).scalars())


def lost_messages(
    connection: Connection,
    queue: str,
    *,
    queue_is_empty: bool,
    grace_s: float,
    limit: int = 500,
    now: float | None = None,
) -> list[WaitingJob]:
    """Finds waiting jobs of a queue without a message in the broker.

    All of them have lost theirs if the broker's queue is empty. While it is not, it serves them all the same: any message of it
    lets a worker take the job that is next.
    """
    if not queue_is_empty:
        return []
    query = _waiting_jobs().where(_IS_OPEN, _IS_WAITING, jobs.c.queue == queue)
    query = query.where(jobs.c.published_at < clock.at(now) - grace_s)
    return _found(connection, query.order_by(jobs.c.published_at).limit(limit))


def waiting_among(connection: Connection, queue: str, job_ids: Iterable[str]) -> set[str]:
    """Returns those of the jobs that wait in a queue."""
    query = select(jobs.c.id).where(jobs.c.id.in_(list(job_ids)), _IS_WAITING, hidden(jobs.c.queue) == queue)
    return set(connection.execute(query).scalars())


def waiting_after(connection: Connection, state: State, after: tuple[float, str], *, limit: int) -> list[WaitingJob]:
    """Lists jobs that wait in a state and are due, oldest first, from after (created_at, id) on."""
    query = _waiting_jobs().where(jobs.c.state == state, tuple_(jobs.c.created_at, jobs.c.id) > after)
    query = query.where(jobs.c.published_at.is_not(None))  # others wait for their next attempt, or for their message
    return _found(connection, query.order_by(jobs.c.created_at, jobs.c.id).limit(limit))


def _waiting_jobs() -> Select[Any]:
    return select(*(jobs.c[name] for name in WaitingJob._fields))


def _found(connection: Connection, query: Select[Any]) -> list[WaitingJob]:
    rows = connection.execute(query).mappings()
    return [WaitingJob(**dict(row) | {"state": State(row["state"])}) for row in rows]
