"""Transitions of jobs in SQL: claim, renew, hand on, put back, end, cancel. Each is a compare-and-set on (state, fence).

Every transition is noted as an event, and every end passes `end`, which settles the job's hold and writes its webhooks, in the
same transaction.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Double, and_, case, func, literal, or_, select, update

from imgen.domain.errors import Cancelled, LeaseLost, UnreadableRow, WorkerLost
from imgen.domain.failure import CODES, Failure, failure_of
from imgen.domain.job import OPEN, RUNNING_AS, TRANSITIONS, WAITING_AS, Job, State, render_queue
from imgen.domain.outcome import FAILED_OUTCOME, Outcome
from imgen.domain.recipe import RECIPE_VERSION
from imgen.records import clock, job_events, ledger, webhook_outbox
from imgen.records.job_rows import from_row
from imgen.records.jobs import find
from imgen.records.tables.jobs import jobs

LOST = failure_of(WorkerLost())
"""Failure of an attempt whose worker process ended."""
_NO_FAILURE: dict[str, Any] = {"error_code": "", "error_reason": "", "waiting_since": None}


def note_published(connection: Connection, job_id: str, queue: str, *, now: float | None = None) -> None:
    """Records that the job's message is in the broker (again)."""
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.queue == queue, jobs.c.state.in_(RUNNING_AS))
        .values(published_at=clock.at(now))
    )


def note_unpublished(connection: Connection, job: Job) -> None:
    """Clears `published_at`: the message was never sent."""
    connection.execute(
        update(jobs).where(jobs.c.id == job.id, jobs.c.published_at == job.published_at).values(published_at=None)
    )


def claim(
    connection: Connection, job_id: str, *, waiting: State, lease_s: float, max_attempts: int, now: float | None = None
) -> Job | None:
    """Claims a waiting job: attempt + 1, fence + 1, a lease. None: it does not wait (done, running, cancelled).

    A job without attempts left fails instead, so that a job that kills its workers ends.

    Raises:
        UnreadableRow: a newer version wrote its recipe; drawn here it might lack something. It still waits.
    """
    time = clock.at(now)
    running = RUNNING_AS[waiting]
    # A first attempt is always due: its message was sent because it is
    is_first = and_(jobs.c.attempts == 0, jobs.c.waiting_since.is_(None))
    is_due = or_(is_first, jobs.c.available_at <= time)
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == waiting, jobs.c.attempts < max_attempts, is_due)
        .values(
            state=running,
            attempts=jobs.c.attempts + 1,
            fence=jobs.c.fence + 1,
            lease_until=time + lease_s,
            claimed_at=time,
        )
        .returning(*jobs.c)
    )
    row = found.mappings().first()
    if row is not None:
        job = from_row(row)
        if job.recipe.version > RECIPE_VERSION:
            raise UnreadableRow(f"Job {job_id} has a recipe of version {job.recipe.version}")
        job_events.note(connection, job)
        return job
    exhausted = connection.execute(
        select(jobs).where(jobs.c.id == job_id, jobs.c.state == waiting, jobs.c.attempts >= max_attempts)
    )
    if (lost := exhausted.mappings().first()) is not None:
        end(connection, from_row(lost), State.FAILED, FAILED_OUTCOME, failure=LOST, now=now)
    return None


def renew(connection: Connection, job: Job, *, lease_s: float, now: float | None = None) -> bool:
    """Renews the lease of a running job. False: this worker lost it (to a cancellation or another worker)."""
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
        .values(lease_until=clock.at(now) + lease_s)
    )
    return found.rowcount == 1


def note_first_step(connection: Connection, job: Job, *, limit_s: float, now: float | None = None) -> Job:
    """Begins the time limit of a running job: its deadline is that much later at most. A limit that has begun goes on.

    Raises:
        LeaseLost: another process moved it since `job` was read; nothing is changed.
    """
    begun = func.coalesce(jobs.c.first_step_at, clock.at(now))
    limit = begun + literal(limit_s, Double)
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
        .values(first_step_at=begun, deadline_at=case((jobs.c.deadline_at < limit, jobs.c.deadline_at), else_=limit))
        .returning(*jobs.c)
    )
    row = found.mappings().first()
    if row is None:
        raise LeaseLost
    return from_row(row)


def hand_on(
    connection: Connection,
    job: Job,
    *,
    queue: str,
    master_key: str,
    timings: dict[str, float],
    now: float | None = None,
) -> Job:
    """Hands a rendered job on to the finish workers, with fresh attempts."""
    return _move(
        connection,
        job,
        State.RENDERED,
        queue=queue,
        master_key=master_key,
        timings=msgspec.json.encode(timings).decode(),
        attempts=0,
        lease_until=None,
        published_at=None,
        available_at=clock.at(now),
        **_NO_FAILURE,
    )


def put_back(
    connection: Connection,
    job: Job,
    *,
    failure: Failure = LOST,
    pause_s: float = 0,
    now: float | None = None,
    only_if: ColumnElement[bool] | None = None,
) -> Job:
    """Puts a running job back for its next attempt, after a pause. The attempt that failed counts.

    Raises:
        LeaseLost: another process moved it since `job` was read, or `only_if` does not hold; nothing is changed.
    """
    available_at = clock.at(now) + pause_s
    return _put_back(connection, job, failure, available_at=available_at, waiting_since=None, only_if=only_if)


def wait_for_outage(
    connection: Connection, job: Job, *, failure: Failure, pause_s: float = 0, now: float | None = None
) -> Job:
    """Puts a running job back to wait for a part that is away. The attempt does not count; the time of the first one is kept.

    Raises:
        LeaseLost: another process moved it since `job` was read; nothing is changed.
    """
    time = clock.at(now)
    return _put_back(
        connection,
        job,
        failure,
        available_at=time + pause_s,
        waiting_since=waiting_since(job, failure) or time,
        attempts=max(0, job.attempts - 1),
    )


def waiting_since(job: Job, failure: Failure) -> float | None:
    """Returns the time since when the job waits for the part that failed now; None: it did not wait for this one."""
    return job.waiting_since if job.error_code == failure.code else None


def render_again(connection: Connection, job: Job, *, failure: Failure, now: float | None = None) -> Job:
    """Sends a job whose master is gone back to the render workers, with fresh attempts.

    Raises:
        LeaseLost: another process moved it since `job` was read; nothing is changed.
    """
    return _move(
        connection,
        job,
        State.QUEUED,
        queue=render_queue(job.recipe.model),
        master_key="",
        masters_lost=job.masters_lost + 1,
        attempts=0,
        lease_until=None,
        published_at=None,
        available_at=clock.at(now),
        **_NO_FAILURE | _told(failure),
    )


def end(
    connection: Connection,
    job: Job,
    state: State,
    outcome: Outcome,
    *,
    failure: Failure | None = None,
    now: float | None = None,
    only_if: ColumnElement[bool] | None = None,
) -> Job:
    """Ends a job: its last transition, with its charge or release and its webhooks, in the caller's transaction.

    Args:
        connection: a writing one.
        job: as claimed or last read.
        state: an end.
        outcome: picture, reason for withholding it, or error.
        failure: reason of an end without a picture; None: that of the latest attempt.
        now: for tests.
        only_if: further condition of the row.

    Raises:
        LeaseLost: another process moved it since `job` was read, or `only_if` does not hold; nothing is changed.
    """
    told = _NO_FAILURE
    if state in CODES:
        latest = Failure(code=job.error_code or CODES[state], reason=job.error_reason or outcome.error)
        told = _NO_FAILURE | _told(failure or latest)
    encoded, at = msgspec.json.encode(outcome).decode(), clock.at(now)
    ended = _move(connection, job, state, only_if=only_if, outcome=encoded, ended_at=at, lease_until=None, **told)
    assert ended.ended_at is not None
    ledger.settle(connection, ended, charge=state is State.COMPLETED, now=ended.ended_at)
    webhook_outbox.add(connection, ended)
    return ended


def cancel(connection: Connection, job_id: str, tenant_id: str) -> Job:
    """Cancels an open job at once; the commit of its worker then fails. An ended job is returned unchanged.

    Raises:
        JobNotFound, UnreadableRow: see jobs.find.
    """
    job = find(connection, job_id, tenant_id=tenant_id)
    while job.state in OPEN:
        try:
            cancelled = Cancelled()
            return end(connection, job, State.CANCELLED, Outcome(error=str(cancelled)), failure=failure_of(cancelled))
        except LeaseLost:
            job = find(connection, job_id, tenant_id=tenant_id)
    return job


def _put_back(connection: Connection, job: Job, failure: Failure, **values: Any) -> Job:
    return _move(connection, job, WAITING_AS[job.state], lease_until=None, published_at=None, **_told(failure) | values)


def _told(failure: Failure) -> dict[str, Any]:
    return {"error_code": failure.code, "error_reason": failure.reason}


def _move(
    connection: Connection, job: Job, state: State, *, only_if: ColumnElement[bool] | None = None, **values: object
) -> Job:
    if state not in TRANSITIONS[job.state]:
        raise AssertionError(f"{job.state} may not become {state}")
    move = update(jobs).where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
    if only_if is not None:
        move = move.where(only_if)
    found = connection.execute(move.values(state=state, **values).returning(*jobs.c))
    row = found.mappings().first()
    if row is None:
        raise LeaseLost
    moved = from_row(row)
    job_events.note(connection, moved)
    return moved
