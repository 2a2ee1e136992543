"""Rows of jobs in SQL: insert, find, list. Transitions are in job_transitions.py."""

import contextlib
from collections.abc import Iterable

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Double, bindparam, func, insert, select

from imgen.domain.errors import JobNotFound, UnreadableRow
from imgen.domain.job import Job, State, View
from imgen.records import clock, job_events, uploads
from imgen.records.job_rows import VIEW_COLUMNS, from_row, listed, timings_of, to_row, view_of_row
from imgen.records.paging import Stream, hidden, newest_ids, rows_at
from imgen.records.tables.jobs import IS_RENDERED, jobs

_TIMES = {
    "available_at": clock.at(),
    "published_at": clock.at(),
    "deadline_at": clock.at() + bindparam("lifetime_s", type_=Double),
}
"""Times of a new job that is due and published now."""
_INSERT_NOW = insert(jobs).values(_TIMES).returning(*(jobs.c[name] for name in _TIMES))
"""Made once, like all statements of a submission: SQLAlchemy takes longer to build one than SQLite to run it."""


def add(connection: Connection, job: Job) -> None:
    """Inserts a new job; the caller holds its quota in the same transaction (see ledger.hold)."""
    connection.execute(insert(jobs), to_row(job))
    uploads.add_inputs(connection, job)
    job_events.note(connection, job)


def add_now(connection: Connection, job: Job) -> Job:
    """Inserts a new job that is due and published now, by the database's clock. Returns it with these times."""
    row = {name: value for name, value in to_row(job).items() if name not in _TIMES}
    lifetime_s = job.deadline_at - job.created_at
    times = connection.execute(_INSERT_NOW, row | {"lifetime_s": lifetime_s}).mappings().one()
    job = structs.replace(job, **times)
    uploads.add_inputs(connection, job)
    job_events.note(connection, job)
    return job


def find(connection: Connection, job_id: str, *, tenant_id: str | None = None) -> Job:
    """Finds one job, within a tenant if one is given.

    Raises:
        JobNotFound: there is no such job, or it is another tenant's.
        UnreadableRow: a newer version wrote it.
    """
    query = select(jobs).where(jobs.c.id == job_id)
    if tenant_id is not None:
        query = query.where(jobs.c.tenant_id == tenant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise JobNotFound
    return from_row(row)


def find_readable(connection: Connection, job_ids: Iterable[str]) -> list[Job]:
    """Finds the jobs of these ids that are there and that no newer version wrote, in any order."""
    found = []
    for row in connection.execute(select(jobs).where(jobs.c.id.in_(list(job_ids)))).mappings():
        with contextlib.suppress(UnreadableRow):
            found.append(from_row(row))
    return found


def find_view(connection: Connection, job_id: str, *, tenant_id: str) -> tuple[View, float]:
    """Finds the poll view of a tenant's job, and the time of its submission.

    Raises:
        JobNotFound, UnreadableRow: as for `find`.
    """
    query = select(*(jobs.c[name] for name in VIEW_COLUMNS))
    row = connection.execute(query.where(jobs.c.id == job_id, jobs.c.tenant_id == tenant_id)).mappings().first()
    if row is None:
        raise JobNotFound
    return view_of_row(row), row["created_at"]


def find_views(connection: Connection, job_ids: Iterable[str], *, tenant_id: str) -> dict[str, tuple[View, float]]:
    """Finds the poll views of a tenant's jobs with the times of their submission, by id; those that are not there are left out.

    Raises:
        UnreadableRow: a newer version wrote one of them.
    """
    query = select(*(jobs.c[name] for name in VIEW_COLUMNS))
    rows = connection.execute(query.where(jobs.c.id.in_(list(job_ids)), jobs.c.tenant_id == tenant_id)).mappings()
    return {row["id"]: (view_of_row(row), row["created_at"]) for row in rows}


def list_jobs(
    connection: Connection, tenant_id: str, *, limit: int, before: tuple[float, str] | None, states: frozenset[State]
) -> list[Job]:
    """Lists a tenant's jobs, newest first, older than `before` = (created_at, id); no states: all."""
    own = {jobs.c.tenant_id: tenant_id}
    streams: list[Stream] = [{**own, jobs.c.state: state} for state in sorted(states)] if states else [own]
    places = newest_ids(connection, streams, before=before, limit=limit)
    return [listed(row) for row in rows_at(connection, places)]


def count_of_tenant(connection: Connection, tenant_id: str) -> int:
    """Counts the stored jobs of a tenant."""
    return connection.execute(select(func.count()).where(jobs.c.tenant_id == tenant_id)).scalar_one()


def of_batch(connection: Connection, batch_id: str) -> list[Job]:
    """Lists the jobs of a batch in its order, without those deleted since."""
    query = select(jobs).where(jobs.c.batch_id == batch_id).order_by(jobs.c.batch_index)
    return [listed(row) for row in connection.execute(query).mappings()]


def in_tenants(scope: frozenset[str]) -> ColumnElement[bool]:
    """Returns the condition of jobs of these tenants: an expression, since the column's index reads all rows of a tenant."""
    return hidden(jobs.c.tenant_id).in_(scope)


def latest_of_key(connection: Connection, key_id: str, *, scope: frozenset[str] | None = None, limit: int) -> list[Job]:
    """Lists the latest jobs of one key, or of one user in the playground, newest first; `scope` limits them to these tenants."""
    within = () if scope is None else (in_tenants(scope),)
    places = newest_ids(connection, [{jobs.c.key_id: key_id}], within, before=None, limit=limit)
    return [listed(row) for row in rows_at(connection, places)]


def latest_of_keys(connection: Connection, key_ids: Iterable[str], *, limit: int) -> list[Job]:
    """Lists the latest jobs of several keys, newest first: the newest of each key, by its index, then the newest of these."""
    places = newest_ids(connection, [{jobs.c.key_id: key_id} for key_id in key_ids], before=None, limit=limit)
    return [listed(row) for row in rows_at(connection, places)]


def average_seconds(connection: Connection, *, limit: int = 50) -> dict[str, float]:
    """Returns model key → mean seconds of its latest finished renders, for estimates."""
    latest = select(jobs.c.model, jobs.c.timings).where(IS_RENDERED, jobs.c.ended_at.is_not(None))
    sums: dict[str, list[float]] = {}
    for model, timings in connection.execute(latest.order_by(jobs.c.ended_at.desc()).limit(limit)):
        sums.setdefault(model, []).append(timings_of(timings).get("render", 0.0))
    return {model: sum(seconds) / len(seconds) for model, seconds in sums.items()}
