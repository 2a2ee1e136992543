"""Table of assets: finished pictures by the digest of their files."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import metadata

assets = Table(
    "assets",
    metadata,
    Column("sha256", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", Integer),
    Column("created_at", Double, nullable=False),
    PrimaryKeyConstraint("sha256", "job_id"),
    Index(None, "job_id"),
)
"""A row for each job that has the picture, so that a picture stays for as long as any of them does. `size_bytes` is null for
pictures of before this table."""
