"""Answers that clients wait for, and that their retries join."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLE = "awaited_answers"


def upgrade() -> None:
    """To this version."""
    op.create_table(
        _TABLE,
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("id", "tenant_id", "owner", "fingerprint", "made", "attempt")
        ),
        sa.Column("taken_at", sa.Double(), nullable=False),
        sa.Column("left_at", sa.Double(), nullable=True),
        sa.Column("waited_until", sa.Double(), nullable=False),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_awaited_answers")),
    )
    op.create_index(
        op.f("ix_awaited_answers_tenant_id_owner_fingerprint"), _TABLE, ["tenant_id", "owner", "fingerprint"]
    )
    op.create_index(op.f("ix_awaited_answers_waited_until"), _TABLE, ["waited_until"])


def downgrade() -> None:
    """To the version before."""
    op.drop_table(_TABLE)
