"""Tables of accounts: tenants and their API keys."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Table, Text, UniqueConstraint

from imgen.records.tables.base import metadata

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("plan", Text, nullable=False),
    Column("created_at", Double, nullable=False),
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
)
"""A rotated key is found by its old hash as well, until `old_until`. `made_by` is the user who made it in the panel; empty:
it was made on the command line."""
