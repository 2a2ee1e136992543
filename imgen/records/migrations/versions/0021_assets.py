"""Assets: finished pictures by digest, those of before included."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

BATCH = 1000
_NAMES = ("sha256", "job_id", "tenant_id", "key", "media_type", "created_at")
_PICTURES = sa.text(
    "SELECT id, tenant_id, outcome, ended_at FROM jobs WHERE id > :after AND coalesce(state, '') = 'completed' "
    "AND stripped_at IS NULL AND ended_at IS NOT NULL ORDER BY id LIMIT :batch"
)


def upgrade() -> None:
    """To this version. The sizes of pictures so far are not known."""
    assets = op.create_table(
        "assets",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("sha256", "job_id", "tenant_id", "key", "media_type")
        ),
        sa.Column("size_bytes", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "job_id", name=op.f("pk_assets")),
    )
    connection, after = op.get_bind(), ""
    while rows := connection.execute(_PICTURES, {"after": after, "batch": BATCH}).fetchall():
        after = rows[-1].id
        if found := [dict(zip(_NAMES, asset, strict=True)) for row in rows for asset in _assets(row)]:
            op.bulk_insert(assets, found)
    op.create_index(op.f("ix_assets_job_id"), "assets", ["job_id"])


def downgrade() -> None:
    """To the version before."""
    op.drop_table("assets")


def _assets(row: Any) -> Iterator[tuple[Any, ...]]:
    """Yields the asset of a completed job; none of an outcome that this version cannot read."""
    try:
        outcome = json.loads(row.outcome)
        meta, images = outcome["meta"], outcome["images"]
        for image in images:
            if image["type"] == "signed":
                yield meta["sha256"], row.id, row.tenant_id, image["key"], f"image/{meta['format']}", row.ended_at
    except (KeyError, TypeError, ValueError):
        return
