"""Books: recomputes every sum from jobs and ledger, and finds what differs. Reads alone; the database itself adds up.

A job's entries are one hold and, once it has ended, one charge or release of the same amount. Sums are kept by owner and period
(ledger.py) and by pack (packs.py). Entries outlive their jobs. So does the spending of engines elsewhere, by day and by month.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from imgen.domain.account import ANONYMOUS_TENANT_ID
from imgen.domain.job import State
from imgen.domain.remote_engine import MICROS
from imgen.records.ledger import OPEN_PERIOD
from imgen.records.tables.engines import engine_months, engine_spending
from imgen.records.tables.jobs import jobs
from imgen.records.tables.ledger import counters, ledger, pack_entries, packs

SUMS = ("held", "pictures", "credits_held", "credits", "plan_credits")
"""Columns of the sums; `requests` has no entries to compare with."""
_AMOUNTS = ("tenant_id", "key_id", "pictures", "credits", "plan_credits")
_hold, _end, _other_end = ledger.alias("hold"), ledger.alias("settled"), ledger.alias("other")


class Difference(Struct, frozen=True, kw_only=True):
    """Place where the books do not agree."""

    kind: str
    """Table that is wrong: `job`, `entry`, `sum`, `pack` or `engine`."""
    subject: str
    """Id of the job or pack, owner and period of a sum, or engine and month."""
    recorded: str
    recomputed: str


def differences(connection: Connection, *, limit: int = 100) -> list[Difference]:
    """Compares jobs, entries, sums, packs and engines' months; returns at most `limit` differences of each kind.

    Args:
        connection: of `Database.snapshot`: otherwise jobs that move meanwhile differ.
        limit: bounds the answer, not the search.
    """
    found: list[Difference] = []
    for check in (_jobs, _entries, _sums, _packs, _engines):
        found += islice(check(connection, limit), limit)
    return found


def count_entries(connection: Connection) -> int:
    """Counts the entries of the ledger."""
    return connection.execute(select(func.count()).select_from(ledger)).scalar_one()


def _jobs(connection: Connection, limit: int) -> Iterator[Difference]:
    """Compares each job with its entries."""
    settled = ledger.c.kind.in_(("charge", "release"))
    held = exists().where(ledger.c.job_id == jobs.c.id, ledger.c.kind == "hold")
    ended_as = exists().where(ledger.c.job_id == jobs.c.id, ledger.c.kind == _end_of_job())
    ended = exists().where(ledger.c.job_id == jobs.c.id, settled)
    is_open = jobs.c.ended_at.is_(None)
    cases: tuple[tuple[ColumnElement[bool], str, str], ...] = (
        (~held, "no hold", "a hold"),
        (and_(is_open, ended), "charged or released", "open"),
        (and_(~is_open, ~ended_as), "no such entry", "a charge if it completed, else a release"),
    )
    for condition, recorded, recomputed in cases:
        for job_id, state in connection.execute(select(jobs.c.id, jobs.c.state).where(condition).limit(limit)):
            yield Difference(kind="job", subject=f"{job_id} ({state})", recorded=recorded, recomputed=recomputed)


def _entries(connection: Connection, limit: int) -> Iterator[Difference]:
    """Compares the entries of each job with each other, and with the parts that packs give."""
    of_one_job = _hold.c.job_id == _end.c.job_id
    unheld = select(_end.c.job_id).where(_end.c.kind != "hold")
    unheld = unheld.where(~exists().where(of_one_job, _hold.c.kind == "hold"))
    twice = select(_end.c.job_id).join(_other_end, _other_end.c.job_id == _end.c.job_id)
    twice = twice.where(_end.c.kind == "charge", _other_end.c.kind == "release")
    unlike = select(_end.c.job_id).join(_hold, and_(of_one_job, _hold.c.kind == "hold")).where(_end.c.kind != "hold")
    unlike = unlike.where(or_(*(_hold.c[name] != _end.c[name] for name in _AMOUNTS)))
    lost = select(_hold.c.job_id).where(_hold.c.kind == "hold", ~exists().where(jobs.c.id == _hold.c.job_id))
    lost = lost.where(~exists().where(of_one_job, _end.c.kind != "hold"))
    cases: tuple[tuple[Select[tuple[str]], str, str], ...] = (
        (unheld, "charged or released", "never held"),
        (twice, "charged and released", "one of them"),
        (unlike, "another amount or owner than the hold's", "the hold's"),
        (lost, "held", "its job is gone"),
        (_parts_unlike(), "other credits than plan and packs give", "their sum"),
    )
    for query, recorded, recomputed in cases:
        for job_id in connection.execute(query.limit(limit)).scalars():
            yield Difference(kind="entry", subject=str(job_id), recorded=recorded, recomputed=recomputed)


def _parts_unlike() -> Select[tuple[str]]:
    parts = select(
        pack_entries.c.job_id, pack_entries.c.kind, func.sum(pack_entries.c.credits).label("credits")
    ).group_by(pack_entries.c.job_id, pack_entries.c.kind)
    given = parts.subquery()
    is_same = and_(given.c.job_id == ledger.c.job_id, given.c.kind == ledger.c.kind)
    of_packs = ledger.c.credits - ledger.c.plan_credits
    return select(ledger.c.job_id).outerjoin(given, is_same).where(of_packs != func.coalesce(given.c.credits, 0))


def _sums(connection: Connection, limit: int) -> Iterator[Difference]:
    """Compares the sums by owner and period."""
    nothing = [literal(0).label(f"other_{name}") for name in SUMS]
    recorded = select(counters.c.owner, counters.c.period, *(counters.c[name] for name in SUMS), *nothing)
    expected = [
        select(owner.label("owner"), period.label("period"), *(literal(0).label(name) for name in SUMS), *sums)
        for owner, period, sums in _expected(_by_day(connection))
    ]
    both = union_all(recorded, *expected).subquery()
    totals = {name: (func.sum(both.c[name]), func.sum(both.c[f"other_{name}"])) for name in SUMS}
    query = select(both.c.owner, both.c.period, *(total for pair in totals.values() for total in pair))
    query = query.group_by(both.c.owner, both.c.period).having(or_(*(one != other for one, other in totals.values())))
    for owner, period, *found in connection.execute(query.order_by(both.c.owner, both.c.period).limit(limit)):
        pairs = {name: found[2 * place : 2 * place + 2] for place, name in enumerate(SUMS)}
        wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        yield Difference(
            kind="sum",
            subject=f"{owner} in {period}",
            recorded=", ".join(f"{name} {one}" for name, (one, _) in wrong.items()),
            recomputed=", ".join(f"{name} {other}" for name, (_, other) in wrong.items()),
        )


def _by_day(connection: Connection) -> CTE:
    """Adds up the entries by tenant, what usage counts against, and day of the hold: few rows, however many jobs."""
    is_end = and_(_end.c.job_id == _hold.c.job_id, _end.c.kind != "hold")
    charged, is_open = case((_end.c.kind == "charge", 1), else_=0), case((_end.c.kind.is_(None), 1), else_=0)
    kept = case((_end.c.kind == "release", 0), else_=1)
    sums = {
        "held": _hold.c.pictures * is_open,
        "pictures": _hold.c.pictures * charged,
        "credits_held": _hold.c.credits * is_open,
        "credits": _hold.c.credits * charged,
        "plan_credits": _hold.c.plan_credits * kept,
    }
    day = _DAYS[connection.dialect.name](_hold.c.at).label("day")
    query = select(
        _hold.c.tenant_id, _hold.c.key_id, day, *(func.sum(value).label(name) for name, value in sums.items())
    )
    query = query.select_from(_hold.outerjoin(_end, is_end)).where(_hold.c.kind == "hold")
    return query.group_by(_hold.c.tenant_id, _hold.c.key_id, day).cte("by_day")


def _expected(by_day: CTE) -> Iterator[tuple[ColumnElement[Any], ColumnElement[Any], Sequence[ColumnElement[Any]]]]:
    """Yields owner, period and sums of what each day's entries add to."""
    days = by_day.c.day, func.substr(by_day.c.day, 1, 7)
    sums = [by_day.c[name].label(f"other_{name}") for name in SUMS]
    for owner in (by_day.c.tenant_id, by_day.c.key_id):
        for period in days:
            yield owner, period, sums
    yield by_day.c.tenant_id, literal(OPEN_PERIOD), sums
    # Of anonymous callers each has a count of open jobs
    theirs = [case((by_day.c.tenant_id == ANONYMOUS_TENANT_ID, by_day.c[name]), else_=0) for name in SUMS]
    yield (
        by_day.c.key_id,
        literal(OPEN_PERIOD),
        [one.label(f"other_{name}") for one, name in zip(theirs, SUMS, strict=True)],
    )


def _packs(connection: Connection, limit: int) -> Iterator[Difference]:
    """Compares the sums of packs with their entries, and with what was bought."""
    part, kind = pack_entries.c.credits, pack_entries.c.kind
    held = func.coalesce(func.sum(case((kind == "hold", part), else_=-part)), 0)
    used = func.coalesce(func.sum(case((kind == "charge", part), else_=0)), 0)
    entries = select(packs.c.id, held.label("held"), used.label("used"))
    entries = entries.outerjoin(pack_entries, pack_entries.c.pack_id == packs.c.id).group_by(packs.c.id)
    told = entries.subquery()
    differ = or_(
        packs.c.held != told.c.held, packs.c.used != told.c.used, packs.c.held + packs.c.used > packs.c.credits
    )
    query = select(packs, told.c.held.label("true_held"), told.c.used.label("true_used")).join(
        told, told.c.id == packs.c.id
    )
    for row in connection.execute(query.where(differ).limit(limit)):
        yield Difference(
            kind="pack",
            subject=f"{row.id} of {row.tenant_id}",
            recorded=f"held {row.held}, used {row.used} of {row.credits}",
            recomputed=f"held {row.true_held}, used {row.true_used}",
        )


def _engines(connection: Connection, limit: int) -> Iterator[Difference]:
    """Compares each engine's spending of a month, which its cap is held against, with that of the month's days."""
    nothing, amount = literal(0), engine_spending.c.amount_micros
    recorded = select(
        engine_months.c.engine,
        engine_months.c.month,
        engine_months.c.amount_micros.label("recorded"),
        nothing.label("days"),
    )
    of_days = select(engine_spending.c.engine, func.substr(engine_spending.c.day, 1, 7).label("month"), nothing, amount)
    both = union_all(recorded, of_days).subquery()
    sums = func.sum(both.c.recorded), func.sum(both.c.days)
    query = select(both.c.engine, both.c.month, *sums).group_by(both.c.engine, both.c.month).having(sums[0] != sums[1])
    for engine, month, told, true in connection.execute(query.order_by(both.c.engine, both.c.month).limit(limit)):
        yield Difference(
            kind="engine",
            subject=f"{engine} in {month}",
            recorded=f"spent {told / MICROS:.6f}",
            recomputed=f"spent {true / MICROS:.6f}",
        )


def _end_of_job() -> ColumnElement[str]:
    return case((jobs.c.state == State.COMPLETED, "charge"), else_="release")


def _sqlite_day(at: ColumnElement[float]) -> ColumnElement[str]:
    return func.strftime("%Y-%m-%d", cast(at, Integer), "unixepoch")  # whole seconds: it rounds their parts up


def _postgresql_day(at: ColumnElement[float]) -> ColumnElement[str]:
    return func.to_char(func.timezone("UTC", func.to_timestamp(func.floor(at))), "YYYY-MM-DD")


_DAYS: dict[str, Callable[[ColumnElement[float]], ColumnElement[str]]] = {
    "sqlite": _sqlite_day,
    "postgresql": _postgresql_day,
}
"""Dialect → day (UTC) of a time."""
