"""Calls of remote engines, and what was spent for them."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "engine_calls",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("engine_job_id", sa.Text(), server_default="", nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_calls")),
    )
    op.create_index(op.f("ix_engine_calls_job_id"), "engine_calls", ["job_id"])
    op.create_index(op.f("ix_engine_calls_tenant_id"), "engine_calls", ["tenant_id"])
    op.create_table(
        "engine_spending",
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("engine", "model", "tenant_id", "day", name=op.f("pk_engine_spending")),
    )
    op.create_index(op.f("ix_engine_spending_day"), "engine_spending", ["day"])
    op.create_table(
        "engine_months",
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("engine", "month", name=op.f("pk_engine_months")),
    )


def downgrade() -> None:
    """To the version before."""
    op.drop_table("engine_months")
    op.drop_index(op.f("ix_engine_spending_day"), table_name="engine_spending")
    op.drop_table("engine_spending")
    op.drop_index(op.f("ix_engine_calls_tenant_id"), table_name="engine_calls")
    op.drop_index(op.f("ix_engine_calls_job_id"), table_name="engine_calls")
    op.drop_table("engine_calls")
