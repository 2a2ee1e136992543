"""Outages: for which part a job waits and since when; the reason why a job failed; masters that were lost."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.add_column("jobs", sa.Column("error_code", sa.Text(), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("error_reason", sa.Text(), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("waiting_since", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("masters_lost", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE jobs SET waiting_since = unreviewed_since, error_code = 'reviewer_unavailable' "
        "WHERE unreviewed_since IS NOT NULL AND ended_at IS NULL"
    )


def downgrade() -> None:
    """To the version before."""
    for name in ("masters_lost", "waiting_since", "error_reason", "error_code"):
        op.drop_column("jobs", name)
