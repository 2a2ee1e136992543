"""Names in lower case, of tenants, keys and users, and the last use of keys: columns that SQL computes, and their indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NAMED = ("tenants", "api_keys", "users")
_KEPT = sa.text("deleted_at IS NULL")
_KEY_INDEXES = {
    "ix_api_keys_name": (["folded", "id"], _KEPT),
    "ix_api_keys_tenant": (["tenant_id", "folded", "id"], _KEPT),
    "ix_api_keys_maker": (["made_by", "used_at", "id"], None),
    "ix_api_keys_maker_tenant": (["tenant_id", "made_by", "used_at", "id"], None),
}


def upgrade() -> None:
    """To this version."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    text = sa.Text() if is_sqlite else sa.Text(collation="C")
    for table in _NAMED:  # SQLite adds no stored column, PostgreSQL before 18 no other
        op.add_column(table, sa.Column("folded", text, sa.Computed("lower(name)", persisted=not is_sqlite)))
    used_at = sa.Computed("coalesce(last_used_at, created_at)", persisted=not is_sqlite)
    op.add_column("api_keys", sa.Column("used_at", sa.Double(), used_at))
    for table in ("tenants", "users"):
        op.create_index(f"ix_{table}_folded_id", table, ["folded", "id"])
    for name, (columns, where) in _KEY_INDEXES.items():
        op.create_index(name, "api_keys", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """To the version before."""
    for name in _KEY_INDEXES:
        op.drop_index(name, "api_keys")
    for table in ("tenants", "users"):
        op.drop_index(f"ix_{table}_folded_id", table)
    op.drop_column("api_keys", "used_at")
    for table in _NAMED:
        op.drop_column(table, "folded")
