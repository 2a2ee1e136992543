"""Deletion of tenants: the table of those under way; packs of credits outlive their tenant."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

OF_TENANT = ("fk_packs_tenant_id", "packs", "tenants", ["tenant_id"], ["id"])
GONE = """
INSERT INTO tenants (id, name, plan, created_at)
SELECT DISTINCT tenant_id, 'deleted ' || tenant_id, 'free', 0 FROM packs WHERE tenant_id NOT IN (SELECT id FROM tenants)
"""
KEPT = ("packs", "pack_entries")


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "tenant_deletions",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("tenant_id", "name", "begun_by")),
        sa.Column("begun_at", sa.Double(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("emptied_at", sa.Double(), nullable=True),
        sa.Column("passes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_deletions")),
    )
    if _is_sqlite():
        _make_packs_anew()
    else:
        op.drop_constraint(op.f("fk_packs_tenant_id"), "packs", type_="foreignkey")


def downgrade() -> None:
    """To the version before. Tenants that are gone get a row again, for their packs."""
    op.execute(GONE)
    if _is_sqlite():
        _make_packs_anew(sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_packs_tenant_id")))
    else:
        op.create_foreign_key(*OF_TENANT)
    op.drop_table("tenant_deletions")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _make_packs_anew(*constraints: sa.ForeignKeyConstraint) -> None:
    """Makes packs and their entries with other constraints: SQLite changes none, and drops no table that another refers to."""
    for table in KEPT:
        op.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")  # noqa: S608 - names from above
    for table in reversed(KEPT):
        op.drop_table(table)
    op.create_table(
        "packs",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "tenant_id", "name")),
        sa.Column("credits", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in ("held", "used")),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.Double(), nullable=False),
        *constraints,
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packs")),
        sa.UniqueConstraint("reference", name=op.f("uq_packs_reference")),
    )
    order, left = ["tenant_id", "granted_at", "id"], sa.text("held + used < credits")
    op.create_index(op.f("ix_packs_tenant_id_granted_at_id"), "packs", order)
    op.create_index("ix_packs_left", "packs", order, sqlite_where=left)
    op.create_table(
        "pack_entries",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("job_id", "kind", "pack_id")),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pack_id"], ["packs.id"], name=op.f("fk_pack_entries_pack_id")),
        sa.PrimaryKeyConstraint("job_id", "kind", "pack_id", name=op.f("pk_pack_entries")),
    )
    op.create_index(op.f("ix_pack_entries_pack_id"), "pack_entries", ["pack_id"])
    for table in KEPT:
        op.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")  # noqa: S608 - names from above
        op.drop_table(f"kept_{table}")
