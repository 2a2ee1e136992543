"""Table of jobs, and one that processes of version 0.2 write."""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from imgen.records.tables.base import metadata

HAS_PICTURES = text("coalesce(state, '') = 'completed' AND stripped_at IS NULL")
"""Condition of the index for samples; a query needs the same text, or the index is not used. With the bare state SQLite
would prefer an index that begins with it."""
HAS_LOGO = text("logo_key <> ''")
"""Condition of the index for logos, with the same demand on a query."""
IS_RENDERED = text("coalesce(state, '') = 'completed' AND substr(id, 1, 6) <> 'cache_'")
"""Condition of the index of renders: completed jobs that are no cache hits."""


def _where(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


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
    Column("logo_key", Text, nullable=False, server_default=""),
    Column("batch_id", Text),
    Column("batch_index", Integer, nullable=False, server_default="0"),
    Column("webhook_url", Text, nullable=False, server_default=""),
    Column("first_step_at", Double),
    Column("request_id", Text, nullable=False, server_default=""),
    # Pages, newest first: all jobs, and those of one value of a column
    Index(
        "ix_jobs_gallery",
        *("created_at", "id", "tenant_id", "state", "key_id", "model", "character", "prompt", "ended_at"),
    ),
    Index("ix_jobs_tenant", "tenant_id", "created_at", "id"),
    Index("ix_jobs_tenant_state", "tenant_id", "state", "created_at", "id"),
    Index("ix_jobs_state", "state", "created_at", "id", "tenant_id", "key_id", "model", "character"),
    Index("ix_jobs_key", "key_id", "created_at", "id", "tenant_id"),
    Index("ix_jobs_model", "model", "created_at", "id"),
    Index("ix_jobs_character", "character", "created_at", "id"),
    Index("ix_jobs_surface", "surface", "created_at", "id"),
    # Open jobs, for the reconciler: partial, so that they do not grow with history
    _where("ix_jobs_leases", "lease_until", where="lease_until IS NOT NULL"),
    _where("ix_jobs_deadlines", "deadline_at", where="ended_at IS NULL"),
    _where("ix_jobs_messages", "queue", "published_at", "priority", "state", where="ended_at IS NULL"),
    _where("ix_jobs_unpublished", "available_at", where="ended_at IS NULL AND published_at IS NULL"),
    # Ended jobs: for retention, estimates and statistics
    _where("ix_jobs_ended", "ended_at", "id", "tenant_id", where="ended_at IS NOT NULL"),
    _where("ix_jobs_unstripped", "ended_at", "id", where="ended_at IS NOT NULL AND stripped_at IS NULL"),
    _where("ix_jobs_rendered", "ended_at", where=IS_RENDERED.text),
    _where(
        "ix_jobs_samples",
        *("model", "style", "character", "ruleset", "created_at", "id", "tenant_id", "state", "stripped_at"),
        where=HAS_PICTURES.text,
    ),
    _where("ix_jobs_logo", "logo_key", where=HAS_LOGO.text),
    _where("ix_jobs_batch", "batch_id", "batch_index", where="batch_id IS NOT NULL"),
)
"""`model`, `style`, `character`, `ruleset`, `logo_key` and the prompt's beginning are the recipe's own, for searching: the
gallery's index has every column of a search or a count, so that no rows are read. `key_id` is what the job's usage counts
against, a key's id or another: processes of version 0.2 know it by this name. `unreviewed_since` is for processes of version
0.2 that run beside this one during an upgrade; nothing else reads it."""

claims = Table(
    "claims",
    metadata,
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("published_at", Double, nullable=False),
    PrimaryKeyConstraint("queue", "priority"),
)
"""For processes of version 0.2 that run beside this one during an upgrade; nothing else reads or writes it."""
