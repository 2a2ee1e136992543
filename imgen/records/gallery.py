"""Jobs as people look at them: searched, counted and timed over many. All of it reads, nothing writes."""

import time
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, cast, exists, func, or_, select

from imgen.domain.job import Job, State
from imgen.records.jobs import from_row
from imgen.records.tables import api_keys, jobs, tenants, users

_timings = msgspec.json.Decoder(dict[str, float])


class _Meta(Struct):
    timings: dict[str, float]


class _Told(Struct):
    """Of an outcome, what is counted."""

    meta: _Meta | None = None


STYLES_AMONG = 24
_COMPLETED = frozenset({State.COMPLETED})
_told = msgspec.json.Decoder(_Told)
_ESCAPED = str.maketrans({"%": "\\%", "_": "\\_", "\\": "\\\\"})


class Review(StrEnum):
    """What came of it."""

    SAFE = "safe"
    BLOCKED = "blocked"
    FLOOR = "floor"


_STATE = func.coalesce(jobs.c.state, "")
"""Not the bare column: its own index would fetch and sort nine tenths of all jobs to show the newest completed ones."""
_IS_BLOCKED = _STATE == State.BLOCKED
_REVIEWED: dict[Review, tuple[ColumnElement[bool], ...]] = {
    Review.SAFE: (_STATE == State.COMPLETED,),
    Review.BLOCKED: (_IS_BLOCKED,),
    # As outcomes are stored; words of people cannot look like it, for their quotes are escaped there
    Review.FLOOR: (_IS_BLOCKED, jobs.c.outcome.contains('"floor":true')),
}


class Wanted(Struct, frozen=True, kw_only=True):
    """What to look for; empty fields let everything pass."""

    scope: frozenset[str] | None = None
    """Tenants whose jobs may be seen; None: all."""
    states: frozenset[State] = frozenset()
    key_id: str = ""
    model: str = ""
    character: str = ""
    words: str = ""
    """In the prompt's first 300 characters, without regard to case."""
    review: Review | None = None
    blocked_under: str = ""
    """A ruleset. Only blocked jobs are looked through for it, because it stands in the rows, which are slow to read."""
    since: float | None = None
    until: float | None = None


class Page(Struct, frozen=True, kw_only=True):
    """Some jobs, newest first, and where the next ones begin."""

    jobs: list[Job]
    after: tuple[float, str] | None


class Performance(Struct, frozen=True, kw_only=True):
    """How jobs that ended lately fared."""

    ended: int
    completed: int
    blocked: int
    cache_hits: int
    seconds: dict[str, tuple[float, float]]
    """Part → median and 95th percentile."""


def search(connection: Connection, wanted: Wanted, *, limit: int, after: tuple[float, str] | None = None) -> Page:
    """One page. Looks through the gallery's index alone, and reads rows only of what is shown."""
    query = _narrowed(select(jobs.c.id, jobs.c.created_at), wanted)
    if after is not None:
        at, job_id = after
        query = query.where(or_(jobs.c.created_at < at, and_(jobs.c.created_at == at, jobs.c.id < job_id)))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit + 1)
    found = connection.execute(query).all()
    ids = [row.id for row in found[:limit]]
    rows = connection.execute(select(jobs).where(jobs.c.id.in_(ids))).mappings()
    shown = {row["id"]: from_row(row) for row in rows}
    last = found[limit - 1] if len(found) > limit else None
    return Page(jobs=[shown[job_id] for job_id in ids], after=(last.created_at, last.id) if last else None)


def of_id(connection: Connection, job_id: str, *, scope: frozenset[str] | None) -> Job | None:
    """One job, if it may be seen."""
    query = select(jobs).where(jobs.c.id == job_id)
    if scope is not None:
        query = query.where(jobs.c.tenant_id.in_(scope))
    row = connection.execute(query).mappings().first()
    return None if row is None else from_row(row)


def key_names(connection: Connection, *, scope: frozenset[str] | None) -> dict[str, str]:
    """Key id → name, deleted ones included; then everybody who made a picture in the playground, as `mira (playground)`."""
    keys = select(api_keys.c.id, api_keys.c.name).order_by(api_keys.c.name)
    theirs = exists().where(jobs.c.key_id == users.c.id)
    if scope is not None:
        keys = keys.where(api_keys.c.tenant_id.in_(scope))
        # Not the bare column: its own index would read a whole tenant's jobs for each person
        theirs = theirs.where(func.coalesce(jobs.c.tenant_id, "").in_(scope))
    names = {row.id: row.name for row in connection.execute(keys)}
    people = select(users.c.id, users.c.name).where(theirs).order_by(users.c.name)
    return names | {row.id: f"{row.name} (playground)" for row in connection.execute(people)}


def tenant_names(connection: Connection, *, scope: frozenset[str] | None) -> dict[str, str]:
    """Tenant id → name."""
    query = select(tenants.c.id, tenants.c.name).order_by(tenants.c.name)
    if scope is not None:
        query = query.where(tenants.c.id.in_(scope))
    return {row.id: row.name for row in connection.execute(query)}


def samples(connection: Connection, *, scope: frozenset[str] | None, latest: int) -> dict[tuple[str, str], Job]:
    """What → the newest completed job with it.

    ("model", key) and ("character", key) among so many of the latest, ("style", "model/style") among STYLES_AMONG.
    """
    query = _narrowed(select(jobs.c.id, jobs.c.model, jobs.c.character), Wanted(scope=scope, states=_COMPLETED))
    found: dict[tuple[str, str], str] = {}
    for row in connection.execute(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(latest)):
        found.setdefault(("model", row.model), row.id)
        found.setdefault(("character", row.character), row.id)
    rows = connection.execute(select(jobs).where(jobs.c.id.in_(set(found.values())))).mappings()
    shown = {row["id"]: from_row(row) for row in rows}
    by_style: dict[tuple[str, str], Job] = {}
    for job in search(connection, Wanted(scope=scope, states=_COMPLETED), limit=STYLES_AMONG).jobs:
        by_style.setdefault(("style", f"{job.recipe.model}/{job.recipe.style}"), job)
    return by_style | {name: shown[job_id] for name, job_id in found.items()}


def per_minute(connection: Connection, *, scope: frozenset[str] | None, minutes: int, now: float) -> list[int]:
    """How many jobs came in each of the last minutes, the oldest first."""
    query = _narrowed(select(jobs.c.created_at), Wanted(scope=scope, since=now - minutes * 60))
    counts = Counter(int((now - at) // 60) for at in connection.execute(query).scalars())
    return [counts.get(minute, 0) for minute in range(minutes - 1, -1, -1)]


def performance(connection: Connection, *, scope: frozenset[str] | None, latest: int, now: float) -> Performance:
    """Of the latest jobs that ended within a day."""
    query = select(jobs.c.id, jobs.c.state, jobs.c.timings, jobs.c.outcome).where(jobs.c.ended_at > now - 86400)
    if scope is not None:
        query = query.where(jobs.c.tenant_id.in_(scope))
    rows = connection.execute(query.order_by(jobs.c.ended_at.desc()).limit(latest)).all()
    states = Counter(row.state for row in rows)
    spent: dict[str, list[float]] = {}
    for row in rows:
        if row.state == State.COMPLETED:
            for part, seconds in _timings_of(row).items():
                spent.setdefault(part, []).append(seconds)
    return Performance(
        ended=len(rows),
        completed=states[State.COMPLETED],
        blocked=states[State.BLOCKED],
        cache_hits=sum(row.id.startswith("cache_") for row in rows),
        seconds={part: (_quantile(values, 0.5), _quantile(values, 0.95)) for part, values in spent.items()},
    )


def by_day(
    connection: Connection, *, scope: frozenset[str] | None, column: str, days: int, now: float
) -> list[tuple[str, str, int]]:
    """(day, value, jobs that came) for one of the columns `key_id`, `model`, `character`, over the last days."""
    day = cast(func.floor(jobs.c.created_at / 86400), Integer)
    chosen = {"key_id": jobs.c.key_id, "model": jobs.c.model, "character": jobs.c.character}[column]
    query = _narrowed(select(day, chosen, func.count()), Wanted(scope=scope, since=now - days * 86400))
    found = connection.execute(query.group_by(day, chosen)).all()
    return sorted((time.strftime("%Y-%m-%d", time.gmtime(row[0] * 86400)), row[1], row[2]) for row in found)


def _narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    for column, value in (
        (jobs.c.key_id, wanted.key_id),
        (jobs.c.model, wanted.model),
        (jobs.c.character, wanted.character),
    ):
        if value:
            query = query.where(column == value)
    if wanted.scope is not None:
        query = query.where(jobs.c.tenant_id.in_(wanted.scope))
    if wanted.states:
        query = query.where(_STATE.in_(wanted.states))
    if wanted.review is not None:
        query = query.where(*_REVIEWED[wanted.review])
    if wanted.blocked_under:
        ruleset = f'"ruleset":{msgspec.json.encode(wanted.blocked_under).decode()}'
        query = query.where(_IS_BLOCKED, jobs.c.recipe.contains(ruleset, autoescape=True))
    if wanted.words:
        query = query.where(jobs.c.prompt.ilike(f"%{wanted.words.translate(_ESCAPED)}%", escape="\\"))
    if wanted.since is not None:
        query = query.where(jobs.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(jobs.c.created_at < wanted.until)
    return query


def _timings_of(row: Any) -> dict[str, float]:
    """What `meta` told; the row's own timings end with the render half."""
    meta = _told.decode(row.outcome or "{}").meta
    return meta.timings if meta is not None else _timings.decode(row.timings)


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
