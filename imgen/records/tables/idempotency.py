"""Table of idempotency keys, with what their requests made."""

from sqlalchemy import Column, Double, Index, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("claimed_by", Text, nullable=False),
    Column("made", Text),
    Column("expires_at", Double, nullable=False),
    PrimaryKeyConstraint("owner", "route", "key"),
    Index(None, "expires_at"),
)
"""`owner` is the tenant, or the address of an anonymous caller. `claimed_by` is of one attempt. `made` is JSON, null while the
request runs."""
