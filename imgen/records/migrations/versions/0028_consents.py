"""Scopes of connected applications by the resource that they were allowed for; those of before are asked for again."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.add_column("oauth_connections", sa.Column("allowed", sa.Text(), server_default="{}", nullable=False))


def downgrade() -> None:
    """To the version before."""
    op.drop_column("oauth_connections", "allowed")
