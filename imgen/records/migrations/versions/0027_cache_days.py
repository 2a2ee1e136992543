"""Sums of the semantic cache's look-ups by day, of all tenants together."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

LATE_S = 2 * 3600
"""Time after the end of a day for which look-ups may still be counted for it."""


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "cache_days",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("misses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_cache_days")),
    )
    op.create_index(op.f("ix_cache_lookups_day_hits_misses"), "cache_lookups", ["day", "hits", "misses"])
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time() - LATE_S))
    op.execute(
        sa.text(
            "INSERT INTO cache_days (day, hits, misses) SELECT day, sum(hits), sum(misses) FROM cache_lookups "
            "WHERE day < :today GROUP BY day"
        ).bindparams(today=today)
    )


def downgrade() -> None:
    """To the version before."""
    op.drop_index(op.f("ix_cache_lookups_day_hits_misses"), table_name="cache_lookups")
    op.drop_table("cache_days")
