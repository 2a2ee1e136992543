"""The panel's figures: the gallery's index tells when jobs ended."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GALLERY = ["created_at", "id", "tenant_id", "state", "key_id", "model", "character", "prompt"]


def upgrade() -> None:
    """To this version."""
    op.drop_index("ix_jobs_gallery", "jobs")
    op.create_index("ix_jobs_gallery", "jobs", [*GALLERY, "ended_at"])


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_jobs_gallery", "jobs")
    op.create_index("ix_jobs_gallery", "jobs", GALLERY)
