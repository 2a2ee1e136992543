"""Queries of the reconciler: lost messages, dead workers, jobs past their deadline or their retention."""

import time

import msgspec
from msgspec import structs
from sqlalchemy import Connection, and_, delete, or_, select, update

from imgen.domain.job import ENDED, OPEN, RUNNING_AS, WAITING_AS, Job, State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions
from imgen.records import jobs as job_records
from imgen.records.tables.jobs import claims, jobs

OVERTAKEN_S = 10
"""Minimum age, before the latest claimed message, at which the message of a waiting job counts as lost."""


def put_back_lost(
    connection: Connection, *, max_attempts: int, limit: int = 200, now: float | None = None
) -> list[Job]:
    """Puts back running jobs with an expired lease; fails those without attempts left. Returns them in their new state."""
    now = now or time.time()
    lost = select(jobs).where(jobs.c.state.in_(WAITING_AS), jobs.c.lease_until < now).limit(limit)
    moved = []
    for row in connection.execute(lost).mappings().all():
        job = job_records.from_row(row)
        if job.attempts >= max_attempts:
            moved.append(
                job_transitions.end(connection, job, State.FAILED, Outcome(error="Generation failed"), now=now)
            )
        else:
            moved.append(job_transitions.put_back(connection, job, now=now))
    return moved


def end_overdue(connection: Connection, *, limit: int = 200, now: float | None = None) -> list[Job]:
    """Ends open jobs past their deadline as timed out."""
    now = now or time.time()
    overdue = select(jobs).where(jobs.c.state.in_(OPEN), jobs.c.deadline_at < now).limit(limit)
    return [
        job_transitions.end(connection, job_records.from_row(row), State.TIMED_OUT, Outcome(error="Timed out"), now=now)
        for row in connection.execute(overdue).mappings().all()
    ]


def unpublished(connection: Connection, *, grace_s: float, limit: int = 500, now: float | None = None) -> list[Job]:
    """Finds waiting jobs without a message: it was never sent, or the job was put back and is due again.

    The grace applies to first messages, which the submitter sends; the caller sends those of later attempts.
    """
    now = now or time.time()
    is_due = or_(jobs.c.available_at < now - grace_s, and_(jobs.c.attempts > 0, jobs.c.available_at < now))
    query = select(jobs).where(jobs.c.state.in_(RUNNING_AS), jobs.c.published_at.is_(None), is_due)
    return _jobs(connection, query.order_by(jobs.c.available_at).limit(limit))


def waiting_queues(connection: Connection) -> list[str]:
    """Lists the queues with waiting jobs."""
    return list(connection.execute(select(jobs.c.queue).where(jobs.c.state.in_(RUNNING_AS)).distinct()).scalars())


def lost_messages(
    connection: Connection,
    queue: str,
    *,
    queue_is_empty: bool,
    grace_s: float,
    limit: int = 500,
    now: float | None = None,
) -> list[Job]:
    """Finds waiting jobs of a queue without their message in the broker.

    A queue is first in, first out within a priority. So a message is lost if the broker's queue is empty, or if one that
    was published later, at the same priority, has already been claimed.
    """
    now = now or time.time()
    query = select(jobs).where(jobs.c.state.in_(RUNNING_AS), jobs.c.queue == queue, jobs.c.published_at < now - grace_s)
    if not queue_is_empty:
        latest = connection.execute(select(claims.c.priority, claims.c.published_at).where(claims.c.queue == queue))
        overtaken = [
            (jobs.c.priority == priority) & (jobs.c.published_at < published_at - OVERTAKEN_S)
            for priority, published_at in latest
        ]
        if not overtaken:
            return []
        query = query.where(or_(*overtaken))
    return _jobs(connection, query.order_by(jobs.c.published_at).limit(limit))


def expired(connection: Connection, *, ended_before: float, rows_too: bool, limit: int = 200) -> list[Job]:
    """Finds ended jobs past their retention, oldest first; without `rows_too` only those that still have pictures."""
    query = select(jobs).where(jobs.c.state.in_(ENDED), jobs.c.ended_at < ended_before)
    if not rows_too:
        query = query.where(jobs.c.stripped_at.is_(None))
    return _jobs(connection, query.order_by(jobs.c.ended_at).limit(limit))


def drop_files(connection: Connection, job_ids: list[str]) -> None:
    """Removes the files from the outcomes of jobs, after their pictures; the rest of the outcome stays."""
    now = time.time()
    for job_id in job_ids:
        job = job_records.find(connection, job_id)
        bare = structs.replace(job.outcome or Outcome(), images=())
        if bare.blocked is not None:
            bare = structs.replace(bare, blocked=structs.replace(bare.blocked, unsafe_key=""))
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(outcome=msgspec.json.encode(bare).decode(), stripped_at=now, master_key="")
        )


def delete_jobs(connection: Connection, job_ids: list[str]) -> None:
    """Deletes jobs; their ledger entries stay."""
    connection.execute(delete(jobs).where(jobs.c.id.in_(job_ids), jobs.c.state.in_(ENDED)))


def _jobs(connection: Connection, query: object) -> list[Job]:
    return [job_records.from_row(row) for row in connection.execute(query).mappings()]  # type: ignore[call-overload]  # a Select of jobs
