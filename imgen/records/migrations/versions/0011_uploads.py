"""Uploads, and the inputs of jobs by their key."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "uploads",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "tenant_id", "key", "original_key", "sha256")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("width", "height", "size_bytes")),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_key"), "uploads", ["key"])
    op.create_index(op.f("ix_uploads_created_at"), "uploads", ["created_at"])
    op.create_index(
        op.f("ix_uploads_tenant_id_created_at_size_bytes"), "uploads", ["tenant_id", "created_at", "size_bytes"]
    )
    op.create_table(
        "job_inputs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "key", name=op.f("pk_job_inputs")),
    )
    op.create_index(op.f("ix_job_inputs_key"), "job_inputs", ["key"])


def downgrade() -> None:
    """To the version before."""
    op.drop_table("job_inputs")
    op.drop_table("uploads")
