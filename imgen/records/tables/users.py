"""Tables of the users of the panel: users, memberships, sessions and stars."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""Users of the panel. `password_hash` is Argon2id's own form, parameters included."""

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    PrimaryKeyConstraint("user_id", "tenant_id"),
)
"""Tenants with the keys and pictures that a `member` sees; an `admin` sees all."""

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
