"""Index of jobs by the surface that made them, for the panel's list."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_INDEX = "ix_jobs_surface"


def upgrade() -> None:
    """To this version."""
    op.create_index(_INDEX, "jobs", ["surface", "created_at", "id"])


def downgrade() -> None:
    """To the version before."""
    op.drop_index(_INDEX, "jobs")
