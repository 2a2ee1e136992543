"""The web face: sessions, memberships, keys that expire and are rotated."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    with op.batch_alter_table("api_keys") as batch:
        batch.add_column(sa.Column("expires_at", sa.Double(), nullable=True))
        batch.add_column(sa.Column("old_hash", sa.Text(), nullable=True))
        batch.add_column(sa.Column("old_until", sa.Double(), nullable=True))
        batch.create_unique_constraint(batch.f("uq_api_keys_old_hash"), ["old_hash"])
    with op.batch_alter_table("jobs") as batch:
        for name in ("model", "character", "prompt"):
            batch.add_column(sa.Column(name, sa.Text(), server_default="", nullable=False))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    field = "json_extract(recipe, '$.{}')" if is_sqlite else "(recipe::json #>> '{{{}}}')"
    model, character, prompt = (
        field.format(path if is_sqlite else path.replace(".", ","))
        for path in ("model", "words.character", "words.prompt")
    )
    op.execute(
        f"UPDATE jobs SET model = COALESCE({model}, ''), character = COALESCE({character}, ''), "  # noqa: S608 - all of it is above
        f"prompt = SUBSTR(COALESCE({prompt}, ''), 1, 300)"
    )
    op.create_index(op.f("ix_jobs_key_id_created_at"), "jobs", ["key_id", "created_at"])
    op.create_index(
        "ix_jobs_gallery",
        "jobs",
        ["created_at", "id", "tenant_id", "state", "key_id", "model", "character", "prompt"],
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_memberships_tenant_id")),
        sa.PrimaryKeyConstraint("user_id", "tenant_id", name=op.f("pk_memberships")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])


def downgrade() -> None:
    """To the version before."""
    op.drop_index("ix_jobs_gallery", "jobs")
    op.drop_index("ix_jobs_key_id_created_at", "jobs")
    with op.batch_alter_table("jobs") as batch:
        for name in ("model", "character", "prompt"):
            batch.drop_column(name)
    op.drop_table("sessions")
    op.drop_table("memberships")
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_constraint(batch.f("uq_api_keys_old_hash"), type_="unique")
        for column in ("expires_at", "old_hash", "old_until"):
            batch.drop_column(column)
