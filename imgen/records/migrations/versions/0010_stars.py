"""Stars: pictures that users marked; and the user who made a key."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "stars",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_stars_user_id")),
        sa.PrimaryKeyConstraint("user_id", "job_id", name=op.f("pk_stars")),
    )
    op.create_index(op.f("ix_stars_job_id"), "stars", ["job_id"])
    op.add_column("api_keys", sa.Column("made_by", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """To the version before."""
    op.drop_column("api_keys", "made_by")
    op.drop_index(op.f("ix_stars_job_id"), "stars")
    op.drop_table("stars")
