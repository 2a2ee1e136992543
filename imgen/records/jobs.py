"""Rows of jobs in SQL: insert, find, list. Transitions are in job_transitions.py."""

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, or_, select

from imgen.domain.errors import JobNotFound
from imgen.domain.ids import CACHED
from imgen.domain.job import Job, State
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import Recipe
from imgen.records import clock
from imgen.records.tables.jobs import jobs

SEARCHED_CHARS = 300
"""Indexed beginning of a prompt: PostgreSQL limits index entries to 2.7 KB."""
_recipe = msgspec.json.Decoder(Recipe)
_outcome = msgspec.json.Decoder(Outcome)
_timings = msgspec.json.Decoder(dict[str, float])


def add(connection: Connection, job: Job) -> None:
    """Inserts a new job; the caller holds its quota in the same transaction (see ledger.hold)."""
    connection.execute(insert(jobs).values(_row(job)))


def add_now(connection: Connection, job: Job) -> Job:
    """Inserts a new job that is due and published now, by the database's clock. Returns it with these times."""
    now = clock.at()
    times = {
        "available_at": now,
        "published_at": now,
        "deadline_at": now + (job.deadline_at - job.created_at),
    }
    inserted = insert(jobs).values(_row(job) | times).returning(*(jobs.c[name] for name in times))
    return structs.replace(job, **connection.execute(inserted).mappings().one())


def find(connection: Connection, job_id: str, *, tenant_id: str | None = None) -> Job:
    """Finds one job, within a tenant if one is given.

    Raises:
        JobNotFound: there is no such job, or it is another tenant's.
    """
    query = select(jobs).where(jobs.c.id == job_id)
    if tenant_id is not None:
        query = query.where(jobs.c.tenant_id == tenant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise JobNotFound
    return from_row(row)


def list_jobs(
    connection: Connection, tenant_id: str, *, limit: int, before: tuple[float, str] | None, states: frozenset[State]
) -> list[Job]:
    """Lists a tenant's jobs, newest first, older than `before` = (created_at, id); no states: all."""
    query = select(jobs).where(jobs.c.tenant_id == tenant_id)
    if before is not None:
        created_at, job_id = before
        query = query.where(
            or_(jobs.c.created_at < created_at, and_(jobs.c.created_at == created_at, jobs.c.id < job_id))
        )
    if states:
        query = query.where(jobs.c.state.in_(states))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    return [from_row(row) for row in connection.execute(query).mappings()]


def in_tenants(scope: frozenset[str]) -> ColumnElement[bool]:
    """Returns the condition of jobs of these tenants: an expression, since the column's index reads all rows of a tenant."""
    return func.coalesce(jobs.c.tenant_id, "").in_(scope)


def latest_of_key(connection: Connection, key_id: str, *, scope: frozenset[str] | None = None, limit: int) -> list[Job]:
    """Lists the latest jobs of one key, or of one user in the playground, newest first; `scope` limits them to these tenants."""
    query = select(jobs).where(jobs.c.key_id == key_id)
    if scope is not None:
        query = query.where(in_tenants(scope))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    return [from_row(row) for row in connection.execute(query).mappings()]


def average_seconds(connection: Connection, *, limit: int = 50) -> dict[str, float]:
    """Returns model key → mean seconds of its latest finished renders, for estimates."""
    is_rendered = ~jobs.c.id.startswith(CACHED, autoescape=True)
    query = select(jobs.c.recipe, jobs.c.timings).where(jobs.c.state == State.COMPLETED, is_rendered)
    sums: dict[str, list[float]] = {}
    for recipe, timings in connection.execute(query.order_by(jobs.c.ended_at.desc()).limit(limit)):
        sums.setdefault(_recipe.decode(recipe).model, []).append(_timings.decode(timings).get("render", 0.0))
    return {model: sum(seconds) / len(seconds) for model, seconds in sums.items()}


def _row(job: Job) -> dict[str, object]:
    row = {name: getattr(job, name) for name in job.__struct_fields__}
    row["recipe"] = msgspec.json.encode(job.recipe).decode()
    row["timings"] = msgspec.json.encode(job.timings).decode()
    row["outcome"] = None if job.outcome is None else msgspec.json.encode(job.outcome).decode()
    recipe, words = job.recipe, job.recipe.prompt_parts
    return row | {
        "model": recipe.model,
        "style": recipe.style,
        "character": words.character,
        "ruleset": recipe.ruleset,
        "prompt": words.prompt[:SEARCHED_CHARS],
    }


def from_row(row: RowMapping) -> Job:
    """Makes a job of a row of the jobs table."""
    values = {name: row[name] for name in Job.__struct_fields__}
    return Job(
        **values
        | {
            "state": State(row["state"]),
            "recipe": _recipe.decode(row["recipe"]),
            "timings": _timings.decode(row["timings"]),
            "outcome": None if row["outcome"] is None else _outcome.decode(row["outcome"]),
        }
    )
