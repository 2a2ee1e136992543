"""Logos: the key of a job's logo in a column, so that logos without a job can be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.add_column("jobs", sa.Column("logo_key", sa.Text(), server_default="", nullable=False))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    key = "json_extract(recipe, '$.brand.image_key')" if is_sqlite else "(recipe::json -> 'brand' ->> 'image_key')"
    with_logo = """recipe LIKE '%"image_key":"brands/%'"""
    op.execute(f"UPDATE jobs SET logo_key = COALESCE({key}, '') WHERE {with_logo}")  # noqa: S608 - all of it is above
    has_logo = sa.text("logo_key <> ''")
    op.create_index("ix_jobs_logo", "jobs", ["logo_key"], sqlite_where=has_logo, postgresql_where=has_logo)


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_jobs_logo", "jobs")
    op.drop_column("jobs", "logo_key")
