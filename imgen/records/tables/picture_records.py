"""Table of published pictures, which outlives their jobs and files."""

from sqlalchemy import Column, Double, Index, Integer, Table, Text

from imgen.records.tables.base import metadata

picture_records = Table(
    "picture_records",
    metadata,
    Column("gen_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("watermark_id", Text, nullable=False, unique=True),
    Column("fingerprint", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("manifest_id", Text, nullable=False),
    Column("manifest_key", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("published_at", Double, nullable=False),
    Column("removed_at", Double),
    Index(None, "manifest_id"),
    Index(None, "sha256"),
    Index("ix_picture_records_tenant", "tenant_id", "published_at", "gen_id"),
    Index("ix_picture_records_time", "published_at", "gen_id"),
)
"""A row with `removed_at` is a tombstone: of the picture only its digest, its watermark id and its dates are left."""
