"""Records of published pictures that outlive their jobs, those of before included."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

BATCH = 1000
_PICTURES = sa.text(
    "SELECT id, gen_id, tenant_id, watermark_id, outcome, ended_at FROM jobs WHERE id > :after "
    "AND coalesce(state, '') = 'completed' AND ended_at IS NOT NULL ORDER BY id LIMIT :batch"
)


def upgrade() -> None:
    """To this version. A manifest store of before lies beside its picture, and goes with it."""
    table = op.create_table(
        "picture_records",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("gen_id", "tenant_id", "job_id", "watermark_id")),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("sha256", "manifest_id", "manifest_key", "model")),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("removed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("gen_id", name=op.f("pk_picture_records")),
        sa.UniqueConstraint("watermark_id", name=op.f("uq_picture_records_watermark_id")),
    )
    connection, after = op.get_bind(), ""
    while rows := connection.execute(_PICTURES, {"after": after, "batch": BATCH}).fetchall():
        after = rows[-1].id
        if found := [picture for row in rows if (picture := _picture(row)) is not None]:
            op.bulk_insert(table, found)
    op.create_index(op.f("ix_picture_records_manifest_id"), "picture_records", ["manifest_id"])
    op.create_index(op.f("ix_picture_records_sha256"), "picture_records", ["sha256"])
    op.create_index("ix_picture_records_tenant", "picture_records", ["tenant_id", "published_at", "gen_id"])
    op.create_index("ix_picture_records_time", "picture_records", ["published_at", "gen_id"])


def downgrade() -> None:
    """To the version before."""
    op.drop_table("picture_records")


def _picture(row: Any) -> dict[str, Any] | None:
    """Returns the record of a completed job; None: this version cannot read its outcome."""
    try:
        outcome = json.loads(row.outcome)
        meta = outcome["meta"]
        signed = next((image["key"] for image in outcome["images"] if image["type"] == "signed"), "")
        return {
            "gen_id": row.gen_id,
            "tenant_id": row.tenant_id,
            "job_id": row.id,
            "watermark_id": row.watermark_id,
            **{name: str(meta[name]) for name in ("fingerprint", "sha256", "manifest_id", "model")},
            "width": int(meta["width"]),
            "height": int(meta["height"]),
            "manifest_key": f"{signed.rpartition('.')[0]}.c2pa" if signed else "",
            "published_at": row.ended_at,
            "removed_at": None,
        }
    except (KeyError, TypeError, ValueError):
        return None
