"""Spending of remote engines in SQL, for people: by engine, model, tenant and day, and what is left below the caps."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from sqlalchemy import Connection, func, select

from imgen.domain.csv_text import csv_text
from imgen.domain.remote_engine import MICROS
from imgen.records.tables.accounts import tenants
from imgen.records.tables.engines import engine_months, engine_spending


class Spending(Struct, frozen=True, kw_only=True):
    """Calls of one engine for one tenant with one model on a day, those that are open included."""

    day: str
    """UTC, `2026-11-27`."""
    engine: str
    model: str
    """Key in models.toml."""
    tenant: str
    """Name; the id of one that is deleted."""
    calls: int
    amount_micros: int


def by_day(connection: Connection, *, first: str, last: str, limit: int | None = None) -> list[Spending]:
    """Lists the spending from the first to the last day, the latest first.

    Args:
        connection: a reading one.
        first: day (UTC), `2026-11-01`.
        last: day, included.
        limit: most rows; None: all.
    """
    table = engine_spending
    tenant = func.coalesce(tenants.c.name, table.c.tenant_id).label("tenant")
    columns = table.c.day, table.c.engine, table.c.model, tenant, table.c.calls, table.c.amount_micros
    query = select(*columns).outerjoin(tenants, tenants.c.id == table.c.tenant_id)
    query = query.where(table.c.day.between(first, last), table.c.calls > 0)
    query = query.order_by(table.c.day.desc(), table.c.engine, table.c.model, table.c.tenant_id).limit(limit)
    return [Spending(**row) for row in connection.execute(query).mappings()]


def by_engine(connection: Connection, *, first: str, last: str) -> dict[str, tuple[int, int]]:
    """Adds up the days from the first to the last: engine → calls, and millionths of the currency."""
    table = engine_spending
    sums = func.sum(table.c.calls), func.sum(table.c.amount_micros)
    query = select(table.c.engine, *sums).where(table.c.day.between(first, last)).group_by(table.c.engine)
    rows = connection.execute(query.order_by(table.c.engine))
    return {engine: (int(calls), int(amount)) for engine, calls, amount in rows}  # PostgreSQL sums up to a Decimal


def of_month(connection: Connection, month: str) -> Mapping[str, int]:
    """Returns the spending of a month (`2026-11`) in millionths by engine, as the caps are compared with it."""
    query = select(engine_months.c.engine, engine_months.c.amount_micros).where(engine_months.c.month == month)
    return {row.engine: row.amount_micros for row in connection.execute(query)}


def as_csv(rows: Iterable[Spending]) -> str:
    """Writes rows as CSV; the amount is in the operator's currency."""
    header = ("day", "engine", "model", "tenant", "calls", "amount")
    return csv_text(
        header, [(one.day, one.engine, one.model, one.tenant, one.calls, one.amount_micros / MICROS) for one in rows]
    )
