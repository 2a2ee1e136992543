"""The panel's figures and samples: the gallery's index tells when jobs ended, another finds a picture of each kind."""

import sqlalchemy as sa
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
    for name in ("style", "ruleset"):
        op.add_column("jobs", sa.Column(name, sa.Text(), server_default="", nullable=False))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    style, ruleset = (
        f"json_extract(recipe, '$.{name}')" if is_sqlite else f"(recipe::json ->> '{name}')"
        for name in ("style", "ruleset")
    )
    op.execute(f"UPDATE jobs SET style = COALESCE({style}, ''), ruleset = COALESCE({ruleset}, '')")  # noqa: S608 - all of it is above
    has_pictures = sa.text("coalesce(state, '') = 'completed' AND stripped_at IS NULL")
    op.create_index(
        "ix_jobs_samples",
        "jobs",
        ["model", "style", "character", "ruleset", "tenant_id", "created_at", "state", "stripped_at"],
        sqlite_where=has_pictures,
        postgresql_where=has_pictures,
    )


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_jobs_samples", "jobs")
    with op.batch_alter_table("jobs") as batch:
        for name in ("style", "ruleset"):
            batch.drop_column(name)
    op.drop_index("ix_jobs_gallery", "jobs")
    op.create_index("ix_jobs_gallery", "jobs", GALLERY)
