"""Transitions of jobs in SQL: claim, renew, hand on, put back, end, cancel. Each is a compare-and-set on (state, fence).

Every end of a job passes `end`, which settles the job's hold in the same transaction.
"""

import msgspec
from sqlalchemy import ColumnElement, Connection, or_, select, update

from imgen.domain.errors import LeaseLost, UnreadableRow
from imgen.domain.job import OPEN, RUNNING_AS, TRANSITIONS, WAITING_AS, Job, State
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import RECIPE_VERSION
from imgen.records import clock, ledger
from imgen.records.database import upsert
from imgen.records.job_rows import from_row
from imgen.records.jobs import find
from imgen.records.tables.jobs import claims, jobs


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
    is_due = or_(jobs.c.attempts == 0, jobs.c.available_at <= time)
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
        _note_claim(connection, job)
        return job
    exhausted = connection.execute(
        select(jobs).where(jobs.c.id == job_id, jobs.c.state == waiting, jobs.c.attempts >= max_attempts)
    )
    if (lost := exhausted.mappings().first()) is not None:
        end(connection, from_row(lost), State.FAILED, Outcome(error="Generation failed"), now=now)
    return None


def renew(connection: Connection, job: Job, *, lease_s: float, now: float | None = None) -> bool:
    """Renews the lease of a running job. False: this worker lost it (to a cancellation or another worker)."""
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
        .values(lease_until=clock.at(now) + lease_s)
    )
    return found.rowcount == 1


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
    )


def put_back(
    connection: Connection,
    job: Job,
    *,
    pause_s: float = 0,
    count: bool = True,
    is_unreviewed: bool = False,
    now: float | None = None,
    only_if: ColumnElement[bool] | None = None,
) -> Job:
    """Puts a running job back for another attempt after a pause.

    Args:
        connection: a writing one.
        job: as claimed or last read.
        pause_s: time until it may be claimed.
        count: False for an attempt that the service itself interrupted (a shutdown); it does not count.
        is_unreviewed: a reviewer did not answer; the time of the first such attempt is kept.
        now: for tests.
        only_if: further condition of the row.

    Raises:
        LeaseLost: another process moved it since `job` was read, or the condition does not hold; nothing is changed.
    """
    time = clock.at(now)
    return _move(
        connection,
        job,
        WAITING_AS[job.state],
        attempts=job.attempts if count else max(0, job.attempts - 1),
        lease_until=None,
        published_at=None,
        only_if=only_if,
        available_at=time + pause_s,
        unreviewed_since=(job.unreviewed_since or time) if is_unreviewed else None,
    )


def end(
    connection: Connection,
    job: Job,
    state: State,
    outcome: Outcome,
    *,
    now: float | None = None,
    only_if: ColumnElement[bool] | None = None,
) -> Job:
    """Ends a job: its last transition, with its charge or release, in the caller's transaction.

    Raises:
        LeaseLost: another process moved it since `job` was read, or `only_if` does not hold; nothing is changed.
    """
    encoded = msgspec.json.encode(outcome).decode()
    ended = _move(connection, job, state, only_if=only_if, outcome=encoded, ended_at=clock.at(now), lease_until=None)
    assert ended.ended_at is not None
    ledger.settle(connection, ended, charge=state is State.COMPLETED, now=ended.ended_at)
    return ended


def cancel(connection: Connection, job_id: str, tenant_id: str) -> Job:
    """Cancels an open job at once; the commit of its worker then fails. An ended job is returned unchanged.

    Raises:
        JobNotFound, UnreadableRow: see jobs.find.
    """
    job = find(connection, job_id, tenant_id=tenant_id)
    while job.state in OPEN:
        try:
            return end(connection, job, State.CANCELLED, Outcome(error="Cancelled"))
        except LeaseLost:
            job = find(connection, job_id, tenant_id=tenant_id)
    return job


def _note_claim(connection: Connection, job: Job) -> None:
    """Records the latest publishing time claimed from the job's queue: messages published earlier are overtaken."""
    if job.published_at is None:
        return
    upsert(
        connection,
        claims,
        {"queue": job.queue, "priority": job.priority, "published_at": job.published_at},
        update={"published_at": job.published_at},
        where=claims.c.published_at < job.published_at,
    )


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
    return from_row(row)
