"""Jobs as people look at them: searched, narrowed down, sampled. All of it reads, nothing writes."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Select, and_, func, or_, select

from imgen.domain.job import Job, State
from imgen.records.jobs import from_row
from imgen.records.tables import api_keys, jobs, tenants

STYLES_AMONG = 24
_COMPLETED = frozenset({State.COMPLETED})
_ESCAPED = str.maketrans({"%": "\\%", "_": "\\_", "\\": "\\\\"})


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
    since: float | None = None
    until: float | None = None


class Page(Struct, frozen=True, kw_only=True):
    """Some jobs, newest first, and where the next ones begin."""

    jobs: list[Job]
    after: tuple[float, str] | None


def search(connection: Connection, wanted: Wanted, *, limit: int, after: tuple[float, str] | None = None) -> Page:
    """One page. Looks through the gallery's index alone, and reads rows only of what is shown."""
    query = narrowed(select(jobs.c.id, jobs.c.created_at), wanted)
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
    """Key id → name, deleted ones included."""
    query = select(api_keys.c.id, api_keys.c.name).order_by(api_keys.c.name)
    if scope is not None:
        query = query.where(api_keys.c.tenant_id.in_(scope))
    return {row.id: row.name for row in connection.execute(query)}


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
    query = narrowed(select(jobs.c.id, jobs.c.model, jobs.c.character), Wanted(scope=scope, states=_COMPLETED))
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


def narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    """The query, over what is wanted alone."""
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
        # Not the bare column: its own index would fetch and sort nine tenths of all jobs to show the newest completed ones
        query = query.where(func.coalesce(jobs.c.state, "").in_(wanted.states))
    if wanted.words:
        query = query.where(jobs.c.prompt.ilike(f"%{wanted.words.translate(_ESCAPED)}%", escape="\\"))
    if wanted.since is not None:
        query = query.where(jobs.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(jobs.c.created_at < wanted.until)
    return query
