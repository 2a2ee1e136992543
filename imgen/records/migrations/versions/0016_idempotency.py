"""Idempotency keys of requests, with what they made."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "idempotency_keys",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("owner", "route", "key", "fingerprint", "claimed_by")
        ),
        sa.Column("made", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "route", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    """To the version before."""
    op.drop_table("idempotency_keys")
