"""Tables of accounts: tenants and their API keys."""

from sqlalchemy import Boolean, Column, Computed, Double, ForeignKey, Index, Table, Text, UniqueConstraint, text

from imgen.records.tables.base import folded_name, metadata

IS_KEPT = text("deleted_at IS NULL")
"""Condition of the indexes of keys by name; a query needs the same text."""


tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("plan", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    folded_name(),
    Index(None, "folded", "id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("expires_at", Double),
    Column("old_hash", Text, unique=True),
    Column("old_until", Double),
    Column("deleted_at", Double),
    Column("made_by", Text, nullable=False, server_default=""),
    UniqueConstraint("tenant_id", "name"),
    folded_name(),
    Column("used_at", Double, Computed("coalesce(last_used_at, created_at)")),
    Index("ix_api_keys_name", "folded", "id", sqlite_where=IS_KEPT, postgresql_where=IS_KEPT),
    Index("ix_api_keys_tenant", "tenant_id", "folded", "id", sqlite_where=IS_KEPT, postgresql_where=IS_KEPT),
    Index("ix_api_keys_maker", "made_by", "used_at", "id"),
    Index("ix_api_keys_maker_tenant", "tenant_id", "made_by", "used_at", "id"),
)
"""A rotated key is found by its old hash as well, until `old_until`. `made_by` is the user who made it in the panel; empty:
it was made on the command line."""
