"""Events: the transitions of jobs, numbered by tenant."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "job_events",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("job_id", "state")),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f("pk_job_events")),
    )
    op.create_index(op.f("ix_job_events_at"), "job_events", ["at"])
    op.create_table(
        "event_numbers",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_event_numbers")),
    )


def downgrade() -> None:
    """To the version before."""
    op.drop_table("event_numbers")
    op.drop_table("job_events")
