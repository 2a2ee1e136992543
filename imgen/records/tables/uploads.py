"""Tables of pictures from outside: uploads, and the inputs of jobs."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from imgen.records.tables.base import metadata

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("original_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Index(None, "key"),
    Index(None, "created_at"),
    Index(None, "tenant_id", "created_at", "size_bytes"),
)
"""Pictures that clients uploaded, each under its id for a day. `key` is that of the file as the gate stored it, which several
uploads may share; `sha256` is of the file as it was sent, `size_bytes` of what is stored of it."""

job_inputs = Table(
    "job_inputs",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "key"),
    Index(None, "key"),
)
"""Inputs of jobs by the object key in their recipe, so that files without a job can be deleted. No foreign key to the jobs: in
SQLite a migration that copies that table would empty this one."""
