"""Tables of operation: the audit, locks between processes, secrets of the installation."""

from sqlalchemy import Column, Double, Index, Table, Text, UniqueConstraint

from imgen.records.tables.base import metadata

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "at", "id"),
    Index(None, "tenant_id", "at"),
    Index(None, "subject"),
)
"""Append-only rows; triggers refuse changes. `actor` is a key, a user, `reviewer` or an account on the command line; `detail`
is JSON."""

locks = Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Double, nullable=False),
)

installation = Table(
    "installation",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("name"),
)
"""Values that all processes of this installation share, such as the secret that signs the disk store's URLs."""
