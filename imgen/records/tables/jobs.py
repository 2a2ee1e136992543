"""Tables of jobs: the jobs themselves, and the latest claim of each queue."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from imgen.records.tables.base import metadata

HAS_PICTURES = text("coalesce(state, '') = 'completed' AND stripped_at IS NULL")
"""Condition of the index for samples; a query needs the same text, or the index is not used. With the bare state SQLite
would prefer an index that begins with it."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("gen_id", Text, nullable=False, unique=True),
    Column("tenant_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("model", Text, nullable=False, server_default=""),
    Column("style", Text, nullable=False, server_default=""),
    Column("character", Text, nullable=False, server_default=""),
    Column("ruleset", Text, nullable=False, server_default=""),
    Column("prompt", Text, nullable=False, server_default=""),
    Column("watermark_id", Text, nullable=False, unique=True),
    Column("master_key", Text, nullable=False),
    Column("timings", Text, nullable=False),
    Column("outcome", Text),
    Column("created_at", Double, nullable=False),
    Column("available_at", Double, nullable=False),
    Column("published_at", Double),
    Column("claimed_at", Double),
    Column("lease_until", Double),
    Column("deadline_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("stripped_at", Double),
    Column("unreviewed_since", Double),
    Column("error_code", Text, nullable=False, server_default=""),
    Column("error_reason", Text, nullable=False, server_default=""),
    Column("waiting_since", Double),
    Column("masters_lost", Integer, nullable=False, server_default="0"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "state", "lease_until"),
    Index(None, "state", "queue", "published_at"),
    Index(None, "ended_at"),
    Index(None, "key_id", "created_at"),
    Index(
        "ix_jobs_gallery",
        *("created_at", "id", "tenant_id", "state", "key_id", "model", "character", "prompt", "ended_at"),
    ),
    Index(
        "ix_jobs_samples",
        *("model", "style", "character", "ruleset", "tenant_id", "created_at", "state", "stripped_at"),
        sqlite_where=HAS_PICTURES,
        postgresql_where=HAS_PICTURES,
    ),
)
"""`model`, `style`, `character`, `ruleset` and the prompt's beginning are the recipe's own, for searching: the gallery's index
has every column of a search or a count, so that no rows are read. `unreviewed_since` is for processes of version 0.2 that run
beside this one during an upgrade; nothing else reads it."""

claims = Table(
    "claims",
    metadata,
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("published_at", Double, nullable=False),
    PrimaryKeyConstraint("queue", "priority"),
)
"""Publishing time of the latest message claimed from a queue. A waiting job published well before it has lost its message
(see records/reconcile.py)."""
