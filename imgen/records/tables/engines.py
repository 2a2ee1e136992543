"""Tables of remote engines: calls of jobs, and what was spent."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from imgen.records.tables.base import metadata

IS_OPEN = "state = 'open'"

engine_calls = Table(
    "engine_calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("engine_job_id", Text, nullable=False, server_default=""),
    Column("price_micros", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("ended_at", Double),
    Index(None, "job_id"),
    Index(None, "tenant_id"),
    Index("ix_engine_calls_open", "job_id", sqlite_where=text(IS_OPEN), postgresql_where=text(IS_OPEN)),
)
"""A row for each call, written before it is made. `state` is `open`, `paid` or `free`; it is booked to `day`."""

engine_spending = Table(
    "engine_spending",
    metadata,
    Column("engine", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("engine", "model", "tenant_id", "day"),
    Index(None, "day"),
)
"""Calls that are open or paid, and their prices; `model` is our own key. Outlives the calls."""

engine_months = Table(
    "engine_months",
    metadata,
    Column("engine", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("engine", "month"),
)
"""Sum of a month (`2026-11`), which the cap is compared with in the statement that adds to it."""
