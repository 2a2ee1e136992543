"""Index of the engines' open calls: the sweeper finds those that nobody ends."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    is_open = sa.text("state = 'open'")
    op.create_index("ix_engine_calls_open", "engine_calls", ["job_id"], sqlite_where=is_open, postgresql_where=is_open)


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_engine_calls_open", table_name="engine_calls")
