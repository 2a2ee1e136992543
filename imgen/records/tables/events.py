"""Tables of job events: a row for each transition, and the number of each tenant's latest one."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import metadata

job_events = Table(
    "job_events",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("tenant_id", "number"),
    Index(None, "at"),
)
"""Transitions of the last day. A tenant's numbers rise by one in the order of the commits, without a gap."""

event_numbers = Table(
    "event_numbers",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("latest", Integer, nullable=False),
)
"""Number of each tenant's latest event; it stays when the event goes, so that none is used again."""
