"""Table of tenants that are being deleted: the mark that survives a crash, and the progress."""

from sqlalchemy import Column, Double, Integer, Table, Text

from imgen.records.tables.base import metadata

tenant_deletions = Table(
    "tenant_deletions",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("begun_at", Double, nullable=False),
    Column("counts", Text, nullable=False),
    Column("emptied_at", Double),
    Column("passes", Integer, nullable=False, server_default="0"),
    Column("next_at", Double, nullable=False),
)
"""Tenants whose row in `tenants` is gone. `counts` is JSON: what was deleted so far. After `emptied_at` some passes follow, for
what a process wrote at that very moment; the row goes with the last one."""
