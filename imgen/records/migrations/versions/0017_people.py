"""People: owners and members of tenants, one-time links, names of keys that are unique within a tenant."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version. Members so far could manage the keys of their tenants, so they are owners."""
    op.add_column("memberships", sa.Column("role", sa.Text(), nullable=False, server_default="owner"))
    with op.batch_alter_table("memberships") as batch:
        batch.alter_column("role", server_default=None)
    op.create_index(op.f("ix_memberships_tenant_id"), "memberships", ["tenant_id"])
    op.create_table(
        "one_time_links",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("id", "token_hash", "kind", "tenant_id", "role", "user_id", "made_by")
        ),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("created_at", "expires_at")),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_links_token_hash")),
    )
    for column in ("tenant_id", "user_id", "expires_at"):
        op.create_index(op.f(f"ix_one_time_links_{column}"), "one_time_links", [column])
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_constraint(batch.f("uq_api_keys_name"), type_="unique")
        batch.create_unique_constraint(batch.f("uq_api_keys_tenant_id_name"), ["tenant_id", "name"])


def downgrade() -> None:
    """To the version before. Of keys with one name all but the first get their id beside it."""
    op.execute(
        "UPDATE api_keys SET name = name || ' (' || id || ')' WHERE EXISTS "
        "(SELECT 1 FROM api_keys AS other WHERE other.name = api_keys.name AND other.id < api_keys.id)"
    )
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_constraint(batch.f("uq_api_keys_tenant_id_name"), type_="unique")
        batch.create_unique_constraint(batch.f("uq_api_keys_name"), ["name"])
    op.drop_table("one_time_links")
    op.drop_index(op.f("ix_memberships_tenant_id"), "memberships")
    with op.batch_alter_table("memberships") as batch:
        batch.drop_column("role")
