"""Batches: the jobs that one request made, and the place of each."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.add_column("jobs", sa.Column("batch_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("batch_index", sa.Integer(), server_default="0", nullable=False))
    in_batch = sa.text("batch_id IS NOT NULL")
    op.create_index(
        "ix_jobs_batch", "jobs", ["batch_id", "batch_index"], sqlite_where=in_batch, postgresql_where=in_batch
    )


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_jobs_batch", "jobs")
    op.drop_column("jobs", "batch_index")
    op.drop_column("jobs", "batch_id")
