"""Jobs in SQL: insert, claim, renew, commit. Every change is a compare-and-set on (state, fence) along the transitions."""

import time

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from imgen.domain.errors import JobNotFound, LeaseLost
from imgen.domain.job import CACHED, OPEN, RUNNING_AS, TRANSITIONS, WAITING_AS, Job, Outcome, State
from imgen.domain.recipe import Recipe
from imgen.records import ledger
from imgen.records.tables.jobs import claims, jobs

SEARCHED_CHARS = 300
"""Of a prompt; PostgreSQL takes no index entries over 2.7 KB."""
_recipe = msgspec.json.Decoder(Recipe)
_outcome = msgspec.json.Decoder(Outcome)
_timings = msgspec.json.Decoder(dict[str, float])


def add(connection: Connection, job: Job) -> None:
    """Inserts a new job; the caller holds its quota in the same transaction (see ledger.hold)."""
    connection.execute(insert(jobs).values(_row(job)))


def find(connection: Connection, job_id: str, *, tenant_id: str | None = None) -> Job:
    """One job; with a tenant, only if it is that tenant's.

    Raises:
        JobNotFound: no such job, or another tenant's: the two look the same.
    """
    query = select(jobs).where(jobs.c.id == job_id)
    if tenant_id is not None:
        query = query.where(jobs.c.tenant_id == tenant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise JobNotFound
    return from_row(row)


def page(
    connection: Connection, tenant_id: str, *, limit: int, before: tuple[float, str] | None, states: frozenset[State]
) -> list[Job]:
    """A tenant's jobs, newest first, older than `before` = (created_at, id); no states: all."""
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


def within(scope: frozenset[str]) -> ColumnElement[bool]:
    """Of these tenants. Not the bare column: by its own index all rows of a large tenant would be read."""
    return func.coalesce(jobs.c.tenant_id, "").in_(scope)


def latest_of_key(connection: Connection, key_id: str, *, scope: frozenset[str] | None = None, limit: int) -> list[Job]:
    """The latest jobs that one key, or one person in the playground, asked for, newest first; `scope`: of these tenants alone."""
    query = select(jobs).where(jobs.c.key_id == key_id)
    if scope is not None:
        query = query.where(within(scope))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    return [from_row(row) for row in connection.execute(query).mappings()]


def published(connection: Connection, job_id: str, queue: str, *, now: float | None = None) -> None:
    """Notes that the job's message is in the broker (again)."""
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.queue == queue, jobs.c.state.in_(RUNNING_AS))
        .values(published_at=now or time.time())
    )


def not_published(connection: Connection, job: Job) -> None:
    """Notes that the message its row tells of was never sent."""
    connection.execute(
        update(jobs).where(jobs.c.id == job.id, jobs.c.published_at == job.published_at).values(published_at=None)
    )


def claim(
    connection: Connection, job_id: str, *, waiting: State, lease_s: float, max_attempts: int, now: float | None = None
) -> Job | None:
    """Takes a waiting job: attempt + 1, fence + 1, a lease. None: it is not there to take (done, running, cancelled).

    A job whose attempts are used up is failed here instead, so that one that kills its workers ends.
    """
    now = now or time.time()
    running = RUNNING_AS[waiting]
    # A first try is due whatever this machine's clock says: it may be behind that of the machine that sent the message.
    is_due = or_(jobs.c.attempts == 0, jobs.c.available_at <= now)
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == waiting, jobs.c.attempts < max_attempts, is_due)
        .values(
            state=running,
            attempts=jobs.c.attempts + 1,
            fence=jobs.c.fence + 1,
            lease_until=now + lease_s,
            claimed_at=now,
        )
        .returning(*jobs.c)
    )
    row = found.mappings().first()
    if row is not None:
        job = from_row(row)
        _note_claim(connection, job)
        return job
    exhausted = connection.execute(
        select(jobs).where(jobs.c.id == job_id, jobs.c.state == waiting, jobs.c.attempts >= max_attempts)
    )
    if (lost := exhausted.mappings().first()) is not None:
        end(connection, from_row(lost), State.FAILED, Outcome(error="Generation failed"), now=now)
    return None


def renew(connection: Connection, job: Job, *, lease_s: float, now: float | None = None) -> bool:
    """Prolongs the lease of a running job. False: it is no longer this worker's (cancelled, or another has it)."""
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
        .values(lease_until=(now or time.time()) + lease_s)
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
    """The render half is done: the job waits for a finish worker, with fresh attempts."""
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
        available_at=now or time.time(),
    )


def put_back(
    connection: Connection,
    job: Job,
    *,
    pause_s: float = 0,
    count: bool = True,
    is_unreviewed: bool = False,
    now: float | None = None,
) -> Job:
    """A running job waits again, to be tried after a pause.

    Args:
        connection: a writing one.
        job: as it was claimed or last read.
        pause_s: how long nobody may claim it.
        count: False where the attempt was broken off by us (a shutdown) and is not held against the job.
        is_unreviewed: a reviewer did not answer; since when is remembered.
        now: for tests.
    """
    now = now or time.time()
    return _move(
        connection,
        job,
        WAITING_AS[job.state],
        attempts=job.attempts if count else max(0, job.attempts - 1),
        lease_until=None,
        published_at=None,
        available_at=now + pause_s,
        unreviewed_since=(job.unreviewed_since or now) if is_unreviewed else None,
    )


def end(connection: Connection, job: Job, state: State, outcome: Outcome, *, now: float | None = None) -> Job:
    """The job's last transition, with its charge or release, in the caller's transaction.

    Raises:
        LeaseLost: somebody else moved it since `job` was read; nothing is changed.
    """
    now = now or time.time()
    encoded = msgspec.json.encode(outcome).decode()
    ended = _move(connection, job, state, outcome=encoded, ended_at=now, lease_until=None)
    ledger.settle(connection, ended, charge=state is State.COMPLETED, now=now)
    return ended


def cancel(connection: Connection, job_id: str, tenant_id: str) -> Job:
    """Ends an open job at once, whoever runs it: that worker's commit then fails. An ended job is returned as it is."""
    job = find(connection, job_id, tenant_id=tenant_id)
    while job.state in OPEN:
        try:
            return end(connection, job, State.CANCELLED, Outcome(error="Cancelled"))
        except LeaseLost:
            job = find(connection, job_id, tenant_id=tenant_id)
    return job


def average_seconds(connection: Connection, *, limit: int = 50) -> dict[str, float]:
    """Model key → mean seconds its latest finished renders took, for estimates."""
    is_rendered = ~jobs.c.id.startswith(CACHED, autoescape=True)
    query = select(jobs.c.recipe, jobs.c.timings).where(jobs.c.state == State.COMPLETED, is_rendered)
    sums: dict[str, list[float]] = {}
    for recipe, timings in connection.execute(query.order_by(jobs.c.ended_at.desc()).limit(limit)):
        sums.setdefault(_recipe.decode(recipe).model, []).append(_timings.decode(timings).get("render", 0.0))
    return {model: sum(seconds) / len(seconds) for model, seconds in sums.items()}


def _note_claim(connection: Connection, job: Job) -> None:
    """Keeps the latest publishing time claimed from the job's queue: what was published before it has been overtaken."""
    if job.published_at is None:
        return
    make = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name]
    mark = make(claims).values(queue=job.queue, priority=job.priority, published_at=job.published_at)
    connection.execute(
        mark.on_conflict_do_update(  # type: ignore[attr-defined]  # both dialects have it, their base has not
            index_elements=["queue", "priority"],
            set_={"published_at": job.published_at},
            where=claims.c.published_at < job.published_at,
        )
    )


def _move(connection: Connection, job: Job, state: State, **values: object) -> Job:
    if state not in TRANSITIONS[job.state]:
        raise AssertionError(f"{job.state} may not become {state}")
    found = connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
        .values(state=state, **values)
        .returning(*jobs.c)
    )
    row = found.mappings().first()
    if row is None:
        raise LeaseLost
    return from_row(row)


def _row(job: Job) -> dict[str, object]:
    row = {name: getattr(job, name) for name in job.__struct_fields__}
    row["recipe"] = msgspec.json.encode(job.recipe).decode()
    row["timings"] = msgspec.json.encode(job.timings).decode()
    row["outcome"] = None if job.outcome is None else msgspec.json.encode(job.outcome).decode()
    recipe, words = job.recipe, job.recipe.words
    return row | {
        "model": recipe.model,
        "style": recipe.style,
        "character": words.character,
        "ruleset": recipe.ruleset,
        "prompt": words.prompt[:SEARCHED_CHARS],
    }


def from_row(row: RowMapping) -> Job:
    """A job out of a row of the jobs table."""
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
