"""OAuth 2.1: clients, connected applications, codes and tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "oauth_clients",
        *_texts("id", "name", "uri", "redirect_uris", "auth_method", "secret_hash", "grant_types", "scopes"),
        sa.Column("is_document", sa.Boolean(), nullable=False),
        *_times("fresh_until", nullable=True),
        *_times("created_at"),
        *_times("used_at", nullable=True),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_clients")),
    )
    op.create_index(op.f("ix_oauth_clients_used_at_created_at"), "oauth_clients", ["used_at", "created_at"])
    op.create_table(
        "oauth_connections",
        *_texts("id", "user_id", "client_id", "tenant_id", "client_name", "scopes"),
        *_times("created_at"),
        *_times("used_at", "revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_connections")),
        sa.UniqueConstraint(
            "user_id", "client_id", "tenant_id", name=op.f("uq_oauth_connections_user_id_client_id_tenant_id")
        ),
    )
    _index("oauth_connections", "client_id", "tenant_id")
    op.create_table(
        "oauth_codes",
        *_texts("hash", "family_id", "connection_id", "client_id", "user_id", "tenant_id", "redirect_uri", "challenge"),
        *_texts("scopes", "resource"),
        *_times("expires_at"),
        *_times("used_at", nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_oauth_codes")),
    )
    _index("oauth_codes", "connection_id", "user_id", "tenant_id", "expires_at")
    op.create_table(
        "oauth_tokens",
        *_texts(
            "hash", "kind", "family_id", "connection_id", "client_id", "user_id", "tenant_id", "scopes", "resource"
        ),
        *_times("created_at", "expires_at"),
        *_times("rotated_at", nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_oauth_tokens")),
    )
    _index("oauth_tokens", "family_id", "connection_id", "user_id", "tenant_id", "expires_at")


def downgrade() -> None:
    """To the version before."""
    for table in ("oauth_tokens", "oauth_codes", "oauth_connections", "oauth_clients"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _times(*names: str, nullable: bool = False) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double(), nullable=nullable) for name in names]


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
