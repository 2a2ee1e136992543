"""Tables of quotas: the append-only ledger and its running sums."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("job_id", "kind"),
    Index(None, "tenant_id", "at"),
)
"""One `hold` for each job and one `charge` or `release` when it ends; never changed, never removed."""

counters = Table(
    "counters",
    metadata,
    Column("owner", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("pictures", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("owner", "period"),
)
"""Sums of the ledger by owner (a tenant, or what a principal is counted as) and period (`2026-11-21`, `2026-11`, UTC; `open`)."""
