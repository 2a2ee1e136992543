"""Tables of quotas: the append-only ledger with its running sums, packs of credits and what jobs take of them."""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from imgen.records.tables.base import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("credits", Integer, nullable=False, server_default="0"),
    Column("plan_credits", Integer, nullable=False, server_default="0"),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("job_id", "kind"),
    Index(None, "tenant_id", "at"),
)
"""One `hold` for each job and one `charge` or `release` when it ends, of the same amount and sources; never changed, never
removed. `credits` is what the job costs; the plan's own month gives `plan_credits` of it, packs the rest (`pack_entries`).
`key_id` is what the job's usage counts against. The columns of credits have defaults for processes of version 0.2."""

counters = Table(
    "counters",
    metadata,
    Column("owner", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("pictures", Integer, nullable=False, server_default="0"),
    Column("credits_held", Integer, nullable=False, server_default="0"),
    Column("credits", Integer, nullable=False, server_default="0"),
    Column("plan_credits", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("owner", "period"),
)
"""Sums of the ledger by owner (a tenant, or what a principal is counted as) and period (`2026-11-21`, `2026-11`, UTC; `open`).
`held` and `credits_held` are of open jobs, `pictures` and `credits` are charged, `plan_credits` are those of both that the plan
gives."""

HAS_CREDITS = text("held + used < credits")
"""Condition of the index of packs that are not used up; a query needs the same text."""

packs = Table(
    "packs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("credits", Integer, nullable=False),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("used", Integer, nullable=False, server_default="0"),
    Column("reference", Text, nullable=False, unique=True),
    Column("granted_at", Double, nullable=False),
    Index(None, "tenant_id", "granted_at", "id"),
    Index("ix_packs_left", "tenant_id", "granted_at", "id", sqlite_where=HAS_CREDITS, postgresql_where=HAS_CREDITS),
)
"""Credits that were bought. `held` and `used` are sums of `pack_entries`; `reference` is that of the payment. They outlive their
tenant, like the ledger: no payment counts twice."""

pack_entries = Table(
    "pack_entries",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("pack_id", Text, ForeignKey("packs.id"), nullable=False),
    Column("credits", Integer, nullable=False),
    PrimaryKeyConstraint("job_id", "kind", "pack_id"),
    Index(None, "pack_id"),
)
"""Parts of the ledger's entries that packs give, append-only like them."""
