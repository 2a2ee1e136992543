"""Tables of the semantic cache: its entries, look-ups by tenant and day, and by day."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, text

from imgen.records.tables.base import metadata

IS_LIVE = text("coalesce(ready_at, 0) > 0 AND purged_at IS NULL")
"""Condition of the index of live entries; a query needs the same text. With the bare column SQLite would prefer its index."""
IS_PURGED = text("purged_at IS NOT NULL")
"""Condition of the index of purged entries, in which SQLite would look for live ones otherwise."""

cache_entries = Table(
    "cache_entries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, nullable=False, unique=True),
    Column("tenant_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("partition", Text, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("made_with", Text, nullable=False),
    Column("codes", Text, nullable=False),
    Column("judged_by", Text, nullable=False),
    Column("floor_version", Integer, nullable=False),
    Column("master_key", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("hits", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("ready_at", Double),
    Column("purged_at", Double),
    Index(None, "ready_at"),
    Index(None, "purged_at", sqlite_where=IS_PURGED, postgresql_where=IS_PURGED),
    Index(None, "tenant_id"),
    Index(
        "ix_cache_entries_use",
        *("used_at", "id", "size_bytes", "floor_version", "ready_at", "purged_at"),
        sqlite_where=IS_LIVE,
        postgresql_where=IS_LIVE,
    ),
)
"""Entries of the semantic cache. A row is made with its job and is ready when that job ends safe. It stays for some time after
a purge, for other processes and for jobs that still read its master. `vector` is little-endian float32."""

cache_lookups = Table(
    "cache_lookups",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("hits", Integer, nullable=False, server_default="0"),
    Column("misses", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "day"),
    Index(None, "day", "hits", "misses"),
)
"""Counts of look-ups, by tenant and day (`2026-11-21`, UTC). The index holds all that a sum over a day needs."""

cache_days = Table(
    "cache_days",
    metadata,
    Column("day", Text, primary_key=True),
    Column("hits", BigInteger, nullable=False),
    Column("misses", BigInteger, nullable=False),
)
"""Sums of `cache_lookups` over all tenants, by day that is over."""
