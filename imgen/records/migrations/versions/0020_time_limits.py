"""Time limits of tiers: the time at which a job's began."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.add_column("jobs", sa.Column("first_step_at", sa.Double(), nullable=True))


def downgrade() -> None:
    """To the version before."""
    op.drop_column("jobs", "first_step_at")
