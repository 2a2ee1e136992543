"""Search of jobs for the panel: by filter, page by page, with samples. Read-only."""

from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from imgen.domain.job import Job, State
from imgen.records.job_rows import from_row, listed
from imgen.records.jobs import in_tenants
from imgen.records.tables.accounts import api_keys, tenants
from imgen.records.tables.jobs import HAS_PICTURES, jobs
from imgen.records.tables.users import users

_ESCAPED = str.maketrans({"%": "\\%", "_": "\\_", "\\": "\\\\"})


class Review(StrEnum):
    """Result of a job's review."""

    SAFE = "safe"
    BLOCKED = "blocked"
    FLOOR = "floor"


_STATE = func.coalesce(jobs.c.state, "")
"""Expression instead of the column: by the column's index nine tenths of all jobs would be fetched and sorted for a page."""
_IS_BLOCKED = _STATE == State.BLOCKED
_REVIEWED: dict[Review, tuple[ColumnElement[bool], ...]] = {
    Review.SAFE: (_STATE == State.COMPLETED,),
    Review.BLOCKED: (_IS_BLOCKED,),
    # As in stored outcomes; texts of callers cannot match, because their quotes are escaped there
    Review.FLOOR: (_IS_BLOCKED, jobs.c.outcome.contains('"floor":true')),
}


class JobFilter(Struct, frozen=True, kw_only=True):
    """Conditions of a search; empty fields filter nothing."""

    scope: frozenset[str] | None = None
    """Tenants with visible jobs; None: all."""
    states: frozenset[State] = frozenset()
    key_id: str = ""
    model: str = ""
    character: str = ""
    words: str = ""
    """Text within the prompt's first 300 characters; case is ignored."""
    review: Review | None = None
    blocked_under: str = ""
    """Ruleset of blocked jobs."""
    since: float | None = None
    until: float | None = None


class JobPage(Struct, frozen=True, kw_only=True):
    """One page of jobs, newest first, and the cursor of the next page."""

    jobs: list[Job]
    after: tuple[float, str] | None


def search(
    connection: Connection, job_filter: JobFilter, *, limit: int, after: tuple[float, str] | None = None
) -> JobPage:
    """Returns one page. Only the index `ix_jobs_gallery` is searched; rows are read of the returned jobs alone."""
    query = apply_filter(select(jobs.c.id, jobs.c.created_at), job_filter)
    if after is not None:
        at, job_id = after
        query = query.where(or_(jobs.c.created_at < at, and_(jobs.c.created_at == at, jobs.c.id < job_id)))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit + 1)
    found = connection.execute(query).all()
    ids = [row.id for row in found[:limit]]
    rows = connection.execute(select(jobs).where(jobs.c.id.in_(ids))).mappings()
    shown = {row["id"]: listed(row) for row in rows}
    last = found[limit - 1] if len(found) > limit else None
    return JobPage(
        jobs=[shown[job_id] for job_id in ids if job_id in shown], after=(last.created_at, last.id) if last else None
    )


def find_visible(connection: Connection, job_id: str, *, scope: frozenset[str] | None) -> Job | None:
    """Finds one job within the scope."""
    query = select(jobs).where(jobs.c.id == job_id)
    if scope is not None:
        query = query.where(jobs.c.tenant_id.in_(scope))
    row = connection.execute(query).mappings().first()
    return None if row is None else from_row(row)


def key_names(connection: Connection, *, scope: frozenset[str] | None) -> dict[str, str]:
    """Returns id → name of keys, deleted ones included, then of users with playground pictures, as `mira (playground)`."""
    keys = select(api_keys.c.id, api_keys.c.name).order_by(api_keys.c.name)
    theirs = exists().where(jobs.c.key_id == users.c.id)
    if scope is not None:
        keys = keys.where(api_keys.c.tenant_id.in_(scope))
        theirs = theirs.where(in_tenants(scope))
    names = {row.id: row.name for row in connection.execute(keys)}
    people = select(users.c.id, users.c.name).where(theirs).order_by(users.c.name)
    return names | {row.id: f"{row.name} (playground)" for row in connection.execute(people)}


def tenant_names(connection: Connection, *, scope: frozenset[str] | None) -> dict[str, str]:
    """Returns tenant id → name."""
    query = select(tenants.c.id, tenants.c.name).order_by(tenants.c.name)
    if scope is not None:
        query = query.where(tenants.c.id.in_(scope))
    return {row.id: row.name for row in connection.execute(query)}


def samples(connection: Connection, *, scope: frozenset[str] | None) -> dict[tuple[str, str], Job]:
    """Returns (kind, name) → the newest completed job whose pictures are still stored.

    Keys are ("model", key), ("style", "model/style"), ("character", key) and ("ruleset", key).
    """
    kinds = (jobs.c.model, jobs.c.style, jobs.c.character, jobs.c.ruleset)
    query = select(*kinds, func.max(jobs.c.created_at).label("at")).where(HAS_PICTURES).group_by(*kinds)
    if scope is not None:
        query = query.where(in_tenants(scope))
    newest: dict[tuple[str, str], tuple[str, str, str, str, float]] = {}
    for model, style, character, ruleset, at in sorted(connection.execute(query), key=lambda row: -row.at):
        for name in (("model", model), ("style", f"{model}/{style}"), ("character", character), ("ruleset", ruleset)):
            newest.setdefault(name, (model, style, character, ruleset, at))
    of_then = select(jobs).where(HAS_PICTURES, jobs.c.created_at.in_({of[-1] for of in newest.values()}))
    if scope is not None:
        of_then = of_then.where(jobs.c.tenant_id.in_(scope))
    found = {
        (row["model"], row["style"], row["character"], row["ruleset"], row["created_at"]): row
        for row in connection.execute(of_then).mappings()
    }
    return {name: listed(found[of]) for name, of in newest.items()}


def apply_filter(query: Select[Any], job_filter: JobFilter) -> Select[Any]:
    """Adds the filter's conditions to a query."""
    for column, value in (
        (jobs.c.key_id, job_filter.key_id),
        (jobs.c.model, job_filter.model),
        (jobs.c.character, job_filter.character),
    ):
        if value:
            query = query.where(column == value)
    if job_filter.scope is not None:
        query = query.where(in_tenants(job_filter.scope))
    if job_filter.states:
        query = query.where(_STATE.in_(job_filter.states))
    if job_filter.review is not None:
        query = query.where(*_REVIEWED[job_filter.review])
    if job_filter.blocked_under:
        query = query.where(_IS_BLOCKED, jobs.c.ruleset == job_filter.blocked_under)
    if job_filter.words:
        query = query.where(jobs.c.prompt.ilike(f"%{job_filter.words.translate(_ESCAPED)}%", escape="\\"))
    if job_filter.since is not None:
        query = query.where(jobs.c.created_at >= job_filter.since)
    if job_filter.until is not None:
        query = query.where(jobs.c.created_at < job_filter.until)
    return query
