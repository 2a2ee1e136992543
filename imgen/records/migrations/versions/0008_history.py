"""Indexes that keep pages, rounds and sweeps as quick with a million jobs as with none."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OLD = {
    "ix_jobs_tenant_id_created_at_id": ["tenant_id", "created_at", "id"],
    "ix_jobs_state_lease_until": ["state", "lease_until"],
    "ix_jobs_state_queue_published_at": ["state", "queue", "published_at"],
    "ix_jobs_ended_at": ["ended_at"],
    "ix_jobs_key_id_created_at": ["key_id", "created_at"],
}
PAGES = {
    "ix_jobs_tenant": ["tenant_id", "created_at", "id"],
    "ix_jobs_tenant_state": ["tenant_id", "state", "created_at", "id"],
    "ix_jobs_state": ["state", "created_at", "id", "tenant_id", "key_id", "model", "character"],
    "ix_jobs_key": ["key_id", "created_at", "id", "tenant_id"],
    "ix_jobs_model": ["model", "created_at", "id"],
    "ix_jobs_character": ["character", "created_at", "id"],
}
PARTIAL = {
    "ix_jobs_leases": (["lease_until"], "lease_until IS NOT NULL"),
    "ix_jobs_deadlines": (["deadline_at"], "ended_at IS NULL"),
    "ix_jobs_messages": (["queue", "published_at", "priority", "state"], "ended_at IS NULL"),
    "ix_jobs_unpublished": (["available_at"], "ended_at IS NULL AND published_at IS NULL"),
    "ix_jobs_ended": (["ended_at", "id", "tenant_id"], "ended_at IS NOT NULL"),
    "ix_jobs_unstripped": (["ended_at", "id"], "ended_at IS NOT NULL AND stripped_at IS NULL"),
    "ix_jobs_rendered": (["ended_at"], "coalesce(state, '') = 'completed' AND substr(id, 1, 6) <> 'cache_'"),
}
HAS_PICTURES = "coalesce(state, '') = 'completed' AND stripped_at IS NULL"
KINDS = ["model", "style", "character", "ruleset"]
OLD_SAMPLES = [*KINDS, "tenant_id", "created_at", "state", "stripped_at"]
SAMPLES = [*KINDS, "created_at", "id", "tenant_id", "state", "stripped_at"]
LIVE_ENTRIES = "coalesce(ready_at, 0) > 0 AND purged_at IS NULL"


def upgrade() -> None:
    """To this version."""
    for name in OLD:
        op.drop_index(name, "jobs")
    for name, columns in PAGES.items():
        op.create_index(name, "jobs", columns)
    for name, (columns, where) in PARTIAL.items():
        _create_partial(name, "jobs", columns, where)
    op.drop_index("ix_jobs_samples", "jobs")
    _create_partial("ix_jobs_samples", "jobs", SAMPLES, HAS_PICTURES)
    used = ["used_at", "id", "size_bytes", "floor_version", "ready_at", "purged_at"]
    _create_partial("ix_cache_entries_use", "cache_entries", used, LIVE_ENTRIES)
    op.drop_index("ix_cache_entries_purged_at", "cache_entries")
    _create_partial("ix_cache_entries_purged_at", "cache_entries", ["purged_at"], "purged_at IS NOT NULL")
    op.drop_index("ix_audit_at", "audit")
    op.create_index(op.f("ix_audit_at_id"), "audit", ["at", "id"])


def downgrade() -> None:
    """To the version before."""
    op.drop_index(op.f("ix_audit_at_id"), "audit")
    op.create_index("ix_audit_at", "audit", ["at"])
    op.drop_index("ix_cache_entries_purged_at", "cache_entries")
    op.create_index("ix_cache_entries_purged_at", "cache_entries", ["purged_at"])
    op.drop_index("ix_cache_entries_use", "cache_entries")
    op.drop_index("ix_jobs_samples", "jobs")
    _create_partial("ix_jobs_samples", "jobs", OLD_SAMPLES, HAS_PICTURES)
    for name in (*PAGES, *PARTIAL):
        op.drop_index(name, "jobs")
    for name, columns in OLD.items():
        op.create_index(name, "jobs", columns)


def _create_partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
