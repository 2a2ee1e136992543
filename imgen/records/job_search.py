"""Search of jobs for the panel: by filter, page by page, with samples. Read-only."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Select, select, tuple_

from imgen.domain.job import Job, State
from imgen.records.job_rows import from_row, listed
from imgen.records.jobs import in_tenants
from imgen.records.paging import Place, Stream, hidden, newest_ids, rows_at
from imgen.records.stars import starred_by
from imgen.records.tables.jobs import HAS_PICTURES, jobs

_ESCAPED = str.maketrans({"%": "\\%", "_": "\\_", "\\": "\\\\"})


class Review(StrEnum):
    """Result of a job's review."""

    SAFE = "safe"
    BLOCKED = "blocked"
    FLOOR = "floor"


_STATE = hidden(jobs.c.state)
_REVIEWED: dict[Review, tuple[State, tuple[ColumnElement[bool], ...]]] = {
    Review.SAFE: (State.COMPLETED, ()),
    Review.BLOCKED: (State.BLOCKED, ()),
    # As in stored outcomes; texts of callers cannot match, because their quotes are escaped there
    Review.FLOOR: (State.BLOCKED, (jobs.c.outcome.contains('"floor":true'),)),
}
"""Result of a review → state of its jobs, and further conditions."""
MAX_STREAMS = 32
"""Most streams of a page (see paging.py); a user of more tenants reads over other tenants' jobs instead."""


class JobFilter(Struct, frozen=True, kw_only=True):
    """Conditions of a search; empty fields filter nothing."""

    scope: frozenset[str] | None = None
    """Tenants with visible jobs; None: all."""
    states: frozenset[State] = frozenset()
    key_ids: frozenset[str] = frozenset()
    """Keys, or users of the playground."""
    batch_id: str = ""
    """Id of a batch: only the jobs that one request made together."""
    model: str = ""
    character: str = ""
    surface: str = ""
    """Surface that made the job."""
    words: str = ""
    """Text within the prompt's first 300 characters; case is ignored."""
    review: Review | None = None
    blocked_under: str = ""
    """Ruleset of blocked jobs."""
    since: float | None = None
    until: float | None = None
    starred_by: str = ""
    """Id of a user: only the jobs that this user has starred."""


class JobPage(Struct, frozen=True, kw_only=True):
    """One page of jobs, newest first, and the cursor of the next page."""

    jobs: list[Job]
    after: Place | None


def search(
    connection: Connection, job_filter: JobFilter, *, limit: int, after: tuple[float, str] | None = None
) -> JobPage:
    """Returns one page; a batch, which is one page, in its own order."""
    if job_filter.batch_id:
        query = select(jobs).where(jobs.c.batch_id == job_filter.batch_id, *_conditions(job_filter))
        rows = connection.execute(query.order_by(jobs.c.batch_index)).mappings()
        return JobPage(jobs=[listed(row) for row in rows], after=None)
    if after is not None and job_filter.until is not None:  # of two upper bounds SQLite may search by the wrong one
        is_nearer = after[0] < job_filter.until
        after, job_filter = (after, replace(job_filter, until=None)) if is_nearer else (None, job_filter)
    found = newest_ids(connection, _streams(job_filter), _conditions(job_filter), before=after, limit=limit + 1)
    shown = [listed(row) for row in rows_at(connection, found[:limit])]
    return JobPage(jobs=shown, after=found[limit - 1] if len(found) > limit else None)


def find_visible(connection: Connection, job_id: str, *, scope: frozenset[str] | None) -> Job | None:
    """Finds one job within the scope."""
    query = select(jobs).where(jobs.c.id == job_id)
    if scope is not None:
        query = query.where(jobs.c.tenant_id.in_(scope))
    row = connection.execute(query).mappings().first()
    return None if row is None else from_row(row)


def find_all_visible(connection: Connection, job_ids: Collection[str], *, scope: frozenset[str] | None) -> list[Job]:
    """Finds those of the jobs that lie within the scope, newest first."""
    query = select(jobs).where(jobs.c.id.in_(job_ids))
    if scope is not None:
        query = query.where(jobs.c.tenant_id.in_(scope))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    return [listed(row) for row in connection.execute(query).mappings()]


def samples(connection: Connection, *, scope: frozenset[str] | None) -> dict[tuple[str, str], Job]:
    """Returns (kind, name) → the newest completed job whose pictures are still stored.

    Keys are ("model", key), ("style", "model/style"), ("character", key) and ("ruleset", key).
    """
    kinds = (jobs.c.model, jobs.c.style, jobs.c.character, jobs.c.ruleset)
    within = [HAS_PICTURES] if scope is None else [HAS_PICTURES, in_tenants(scope)]
    found: list[tuple[tuple[str, str, str, str], Place]] = []
    following = select(*kinds).where(HAS_PICTURES).order_by(*kinds).limit(1)
    query = following
    while (row := connection.execute(query).first()) is not None:  # from one combination to the next, by the index
        combination = (row.model, row.style, row.character, row.ruleset)
        newest = select(jobs.c.created_at, jobs.c.id).where(tuple_(*kinds) == combination, *within)
        place = connection.execute(newest.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(1)).first()
        if place is not None:
            found.append((combination, Place(*place)))
        query = following.where(tuple_(*kinds) > combination)
    samples_of: dict[tuple[str, str], Place] = {}
    for (model, style, character, ruleset), at in sorted(found, key=lambda one: one[1], reverse=True):
        for name in (("model", model), ("style", f"{model}/{style}"), ("character", character), ("ruleset", ruleset)):
            samples_of.setdefault(name, at)
    rows = {row["id"]: row for row in rows_at(connection, samples_of.values())}
    return {name: listed(rows[at.id]) for name, at in samples_of.items() if at.id in rows}


def apply_filter(query: Select[Any], job_filter: JobFilter) -> Select[Any]:
    """Adds the filter's conditions to a query that reads the index `ix_jobs_gallery` by time."""
    return query.where(*_conditions(job_filter))


def _streams(job_filter: JobFilter) -> list[Stream]:
    """Chooses the streams of a page: those of the conditions that leave the fewest jobs, as a rule."""
    states, scope = _states(job_filter), job_filter.scope
    each_state: list[Stream] = [{}] if states is None else [{jobs.c.state: state} for state in sorted(states)]
    if (
        job_filter.words or job_filter.starred_by
    ):  # only the gallery's index has the prompts; starred jobs are looked up
        return [{}]
    if 0 < len(job_filter.key_ids) <= MAX_STREAMS:
        return [{jobs.c.key_id: key_id} for key_id in sorted(job_filter.key_ids)]
    if scope is not None and len(scope) * len(each_state) <= MAX_STREAMS:
        return [{jobs.c.tenant_id: tenant, **state} for tenant in sorted(scope) for state in each_state]
    if states is not None and State.COMPLETED not in states:
        return each_state
    for column, value in (
        (jobs.c.character, job_filter.character),
        (jobs.c.surface, job_filter.surface),
        (jobs.c.model, job_filter.model),
    ):
        if value:
            return [{column: value}]
    return each_state


def _states(job_filter: JobFilter) -> frozenset[State] | None:
    """Returns the states of the wanted jobs; None: all."""
    wanted = [job_filter.states] if job_filter.states else []
    if job_filter.review is not None:
        wanted.append(frozenset({_REVIEWED[job_filter.review][0]}))
    if job_filter.blocked_under:
        wanted.append(frozenset({State.BLOCKED}))
    return frozenset.intersection(*wanted) if wanted else None


def _conditions(job_filter: JobFilter) -> list[ColumnElement[bool]]:
    """Returns the conditions of hidden columns: which index is read is the streams' choice."""
    equal = (
        (jobs.c.model, job_filter.model),
        (jobs.c.character, job_filter.character),
        (jobs.c.surface, job_filter.surface),
        (jobs.c.ruleset, job_filter.blocked_under),
    )
    found = [hidden(column) == value for column, value in equal if value]
    if job_filter.key_ids:
        found.append(hidden(jobs.c.key_id).in_(job_filter.key_ids))
    if job_filter.scope is not None:
        found.append(in_tenants(job_filter.scope))
    if (states := _states(job_filter)) is not None:
        found.append(_STATE.in_(states))
    if job_filter.review is not None:
        found.extend(_REVIEWED[job_filter.review][1])
    if job_filter.starred_by:
        found.append(jobs.c.id.in_(starred_by(job_filter.starred_by)))
    if job_filter.words:
        found.append(jobs.c.prompt.ilike(f"%{job_filter.words.translate(_ESCAPED)}%", escape="\\"))
    if job_filter.since is not None:
        found.append(jobs.c.created_at >= job_filter.since)
    if job_filter.until is not None:
        found.append(jobs.c.created_at < job_filter.until)
    return found
