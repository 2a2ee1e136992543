"""Calls of remote engines in SQL: each is booked before it is made, and its price given back only if it cost nothing.

A call belongs to a job. As long as it is open, the job's next attempt goes on with it instead of paying for another one.
"""

import datetime as dt
import uuid

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, or_, select, text, update

from imgen.domain.errors import LeaseLost, SpendingCapReached
from imgen.domain.job import Job
from imgen.domain.remote_engine import RemoteEngine
from imgen.records import clock
from imgen.records.database import locked_in_order, upsert
from imgen.records.tables.engines import IS_OPEN, engine_calls, engine_months, engine_spending
from imgen.records.tables.jobs import jobs

OPEN, PAID, FREE = "open", "paid", "free"


class EngineCall(Struct, frozen=True, kw_only=True):
    """Call of a remote engine for one picture of a job."""

    id: str
    """UUID in lower case; engines that let their callers choose a job's id get this one."""
    job_id: str
    tenant_id: str
    engine: str
    """Key in engines.toml."""
    model: str
    """Key in models.toml."""
    engine_job_id: str
    """The engine's own id of the work; empty: it has told none."""
    price_micros: int
    state: str
    day: str
    """UTC, `2026-11-27`."""
    opened_at: float
    ended_at: float | None = None


def find_open(connection: Connection, job_id: str) -> EngineCall | None:
    """Finds the call that a job's earlier attempt left open."""
    query = select(engine_calls).where(engine_calls.c.job_id == job_id, engine_calls.c.state == OPEN)
    row = connection.execute(query.order_by(engine_calls.c.opened_at).limit(1)).mappings().first()
    return None if row is None else EngineCall(**row)


def open_call(
    connection: Connection, job: Job, *, engine: RemoteEngine, price_micros: int, now: float | None = None
) -> EngineCall:
    """Books a call that is about to be made: the price counts from here on.

    Args:
        connection: a writing one.
        job: as it was claimed.
        engine: the engine that is to be called.
        price_micros: price of the picture.
        now: time, for tests.

    Raises:
        LeaseLost: another process has moved the job; nothing may be called for it.
        SpendingCapReached: the price would bring the month's spending over the engine's cap.
    """
    held = and_(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.fence == job.fence)
    opened_at = connection.execute(select(clock.at(now)).where(held).with_for_update(of=jobs)).scalar()
    if opened_at is None:
        raise LeaseLost
    day = dt.datetime.fromtimestamp(opened_at, dt.UTC).date().isoformat()
    call = EngineCall(
        id=str(uuid.uuid4()),
        job_id=job.id,
        tenant_id=job.tenant_id,
        engine=engine.key,
        model=job.recipe.model,
        engine_job_id="",
        price_micros=price_micros,
        state=OPEN,
        day=day,
        opened_at=opened_at,
    )
    if not _add_to_month(connection, call, cap_micros=engine.cap_micros):
        raise SpendingCapReached(f"Engine {engine.key} has reached its spending cap of {day[:7]}")
    _add_to_day(connection, call, calls=1, amount_micros=price_micros)
    connection.execute(engine_calls.insert().values(**msgspec.structs.asdict(call)))
    return call


def note_engine_job(connection: Connection, call_id: str, engine_job_id: str) -> None:
    """Notes the engine's own id of a call's work, by which a later attempt finds it."""
    connection.execute(update(engine_calls).where(engine_calls.c.id == call_id).values(engine_job_id=engine_job_id))


def end_call(connection: Connection, call_id: str, *, is_paid: bool, now: float | None = None) -> None:
    """Ends an open call; one that cost nothing gives its price back. One that has ended stays as it is."""
    ended = connection.execute(
        update(engine_calls)
        .where(engine_calls.c.id == call_id, engine_calls.c.state == OPEN)
        .values(state=PAID if is_paid else FREE, ended_at=clock.at(now))
        .returning(*engine_calls.c)
    )
    row = ended.mappings().first()
    if row is None or is_paid:
        return
    call = EngineCall(**row)
    connection.execute(
        update(engine_months)
        .where(engine_months.c.engine == call.engine, engine_months.c.month == call.day[:7])
        .values(amount_micros=engine_months.c.amount_micros - call.price_micros)
    )
    _add_to_day(connection, call, calls=-1, amount_micros=-call.price_micros)


def end_calls_of(connection: Connection, job_id: str, *, now: float | None = None) -> None:
    """Ends a job's open calls, whose picture is stored now; they are paid."""
    connection.execute(
        update(engine_calls)
        .where(engine_calls.c.job_id == job_id, engine_calls.c.state == OPEN)
        .values(state=PAID, ended_at=clock.at(now))
    )


def end_abandoned(connection: Connection, *, grace_s: float, limit: int, now: float | None = None) -> int:
    """Ends open calls whose job has ended a while ago, or is gone: nobody goes on with them, and they may have been paid.

    Args:
        connection: a writing one.
        grace_s: time after the job's end for which its worker may still give back what cost nothing.
        limit: most calls that are ended.
        now: time, for tests.
    """
    is_open = text(f"engine_calls.{IS_OPEN}")  # in the words of the partial index, which SQLite takes for no parameter
    found = select(engine_calls.c.id).outerjoin(jobs, jobs.c.id == engine_calls.c.job_id).where(is_open)
    found = found.where(or_(jobs.c.id.is_(None), jobs.c.ended_at < clock.at(now) - grace_s)).limit(limit)
    ids = connection.execute(found).scalars().all()
    abandoned = locked_in_order(engine_calls.c.id, engine_calls.c.id.in_(ids), engine_calls.c.state == OPEN)
    ended = update(engine_calls).where(engine_calls.c.id.in_(abandoned)).values(state=PAID, ended_at=clock.at(now))
    return connection.execute(ended).rowcount


def spent_micros(connection: Connection, engine: str, month: str) -> int:
    """Returns the spending of an engine in a month (`2026-11`), open calls included."""
    query = select(engine_months.c.amount_micros).where(
        engine_months.c.engine == engine, engine_months.c.month == month
    )
    return connection.execute(query).scalar() or 0


def _add_to_month(connection: Connection, call: EngineCall, *, cap_micros: int | None) -> bool:
    """Adds a call's price to its month. False: that would be over the cap; nothing is changed."""
    if cap_micros is not None and call.price_micros > cap_micros:
        return False
    amount = engine_months.c.amount_micros
    is_below = None if cap_micros is None else amount + call.price_micros <= cap_micros
    values = {"engine": call.engine, "month": call.day[:7], "amount_micros": call.price_micros}
    changed = upsert(
        connection, engine_months, values, update={"amount_micros": amount + call.price_micros}, where=is_below
    )
    return changed == 1


def _add_to_day(connection: Connection, call: EngineCall, *, calls: int, amount_micros: int) -> None:
    table = engine_spending
    values = {"engine": call.engine, "model": call.model, "tenant_id": call.tenant_id, "day": call.day}
    sums = {"calls": table.c.calls + calls, "amount_micros": table.c.amount_micros + amount_micros}
    upsert(connection, table, values | {"calls": calls, "amount_micros": amount_micros}, update=sums)
