"""Credits: amounts and sources in the ledger, their sums, and packs."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = {"ledger": ("credits", "plan_credits"), "counters": ("credits_held", "credits", "plan_credits")}


def upgrade() -> None:
    """To this version."""
    for table, names in COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "packs",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "tenant_id", "name")),
        sa.Column("credits", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in ("held", "used")),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_packs_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packs")),
        sa.UniqueConstraint("reference", name=op.f("uq_packs_reference")),
    )
    order, left = ["tenant_id", "granted_at", "id"], sa.text("held + used < credits")
    op.create_index(op.f("ix_packs_tenant_id_granted_at_id"), "packs", order)
    op.create_index("ix_packs_left", "packs", order, sqlite_where=left, postgresql_where=left)
    op.create_table(
        "pack_entries",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("job_id", "kind", "pack_id")),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pack_id"], ["packs.id"], name=op.f("fk_pack_entries_pack_id")),
        sa.PrimaryKeyConstraint("job_id", "kind", "pack_id", name=op.f("pk_pack_entries")),
    )
    op.create_index(op.f("ix_pack_entries_pack_id"), "pack_entries", ["pack_id"])


def downgrade() -> None:
    """To the version before."""
    op.drop_table("pack_entries")
    op.drop_table("packs")
    for table, names in COLUMNS.items():
        for name in reversed(names):
            op.drop_column(table, name)
