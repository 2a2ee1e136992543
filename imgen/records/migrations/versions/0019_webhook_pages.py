"""Indexes for administrators' pages of webhooks: endpoints by age, deliveries of one state."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_webhook_endpoints_created_at_id": ("webhook_endpoints", ["created_at", "id"]),
    "ix_webhook_deliveries_of_state": ("webhook_deliveries", ["state", "created_at", "id"]),
}


def upgrade() -> None:
    """To this version."""
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """To the version before."""
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
