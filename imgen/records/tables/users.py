"""Tables of the users of the panel: users, memberships, one-time links, sessions and stars."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import folded_name, metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    folded_name(),
    Index(None, "folded", "id"),
)
"""Users of the panel. `password_hash` is Argon2id's own form, parameters included."""

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("user_id", "tenant_id"),
    Index(None, "tenant_id"),
)
"""Tenants that a user belongs to, as `owner` or `member`; an `admin` sees all."""

one_time_links = Table(
    "one_time_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("used_by", Text),
    Index(None, "tenant_id"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""Invitations to a tenant and links that reset a user's password. `ended_at`: it was used, or revoked if `used_by` is null. An
empty `made_by` is the command line."""

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""Sessions of browsers. A cookie without its row is invalid."""

stars = Table(
    "stars",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("job_id", Text, nullable=False),
    PrimaryKeyConstraint("user_id", "job_id"),
    Index(None, "job_id"),
)
"""Pictures that a user marked. No foreign key to the jobs: in SQLite a migration that copies that table would empty this one."""
