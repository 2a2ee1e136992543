"""Retention in SQL: jobs past their time, page by page, and the removal of their files' names or of the rows."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from imgen.domain.job import ENDED, OPEN
from imgen.records import assets, clock, uploads
from imgen.records.database import locked_in_order
from imgen.records.tables.engines import engine_calls
from imgen.records.tables.jobs import jobs
from imgen.records.tables.users import stars


class ExpiredJob(NamedTuple):
    """Ended job past its time, as far as a sweep needs it: no recipe or outcome is decoded, so a broken one stops nothing."""

    id: str
    tenant_id: str
    gen_id: str
    ended_at: float
    stripped_at: float | None
    """Time at which its files were deleted; None: they are there."""


def expired(
    connection: Connection,
    *,
    ended_before: float,
    rows_too: bool,
    after: tuple[float, str] | None = None,
    limit: int = 500,
) -> list[ExpiredJob]:
    """Finds ended jobs past their retention, oldest first, from after (ended_at, id) on.

    Without `rows_too` only those that still have files.
    """
    columns = (jobs.c[name] for name in ExpiredJob._fields)
    query = select(*columns).where(jobs.c.ended_at < ended_before)
    if not rows_too:
        query = query.where(jobs.c.stripped_at.is_(None))
    if after is not None:
        query = query.where(tuple_(jobs.c.ended_at, jobs.c.id) > after)
    rows = connection.execute(query.order_by(jobs.c.ended_at, jobs.c.id).limit(limit))
    return [ExpiredJob(*row) for row in rows]


def drop_files(connection: Connection, job_ids: Iterable[str]) -> None:
    """Removes the files from the outcomes of jobs, after their pictures; the rest of the outcome stays as it is stored."""
    wanted = locked_in_order(jobs.c.id, jobs.c.id.in_(list(job_ids))).add_columns(jobs.c.outcome)
    bare = [{"job_id": row.id, "bare": _without_files(row.outcome)} for row in connection.execute(wanted)]
    change = (
        update(jobs)
        .where(jobs.c.id == bindparam("job_id"))
        .values(outcome=bindparam("bare"), stripped_at=clock.at(), master_key="")
    )
    if bare:
        connection.execute(change, bare)
    assets.delete_of_jobs(connection, [row["job_id"] for row in bare])


def delete_jobs(connection: Connection, job_ids: Iterable[str]) -> None:
    """Deletes ended jobs, their stars, assets, keys of inputs and engines' calls; ledger entries and engines' spending stay."""
    ended = locked_in_order(jobs.c.id, jobs.c.id.in_(list(job_ids)), jobs.c.state.in_(ENDED))
    found = connection.execute(ended).scalars().all()
    connection.execute(delete(stars).where(stars.c.job_id.in_(found)))
    uploads.delete_inputs(connection, found)
    assets.delete_of_jobs(connection, found)
    calls = locked_in_order(engine_calls.c.id, engine_calls.c.job_id.in_(found))
    connection.execute(delete(engine_calls).where(engine_calls.c.id.in_(calls)))
    connection.execute(delete(jobs).where(jobs.c.id.in_(found)))


def open_among(connection: Connection, job_ids: Iterable[str]) -> set[str]:
    """Returns those of the jobs that are still open."""
    return set(
        connection.execute(select(jobs.c.id).where(jobs.c.id.in_(list(job_ids)), jobs.c.state.in_(OPEN))).scalars()
    )


def _without_files(outcome: str | None) -> str | None:
    """Edits the stored JSON itself: fields that another version wrote survive."""
    try:
        fields: Any = msgspec.json.decode(outcome or "null")
    except msgspec.DecodeError:
        return outcome
    if not isinstance(fields, dict):
        return outcome
    fields["images"] = []
    if isinstance(fields.get("blocked"), dict):
        fields["blocked"]["unsafe_key"] = ""
    return msgspec.json.encode(fields).decode()
