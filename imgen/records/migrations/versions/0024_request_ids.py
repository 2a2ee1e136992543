"""Ids of the requests that made the jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.add_column("jobs", sa.Column("request_id", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """To the version before."""
    op.drop_column("jobs", "request_id")
