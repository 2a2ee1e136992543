"""Tables of webhooks: endpoints, secrets of tenants, the outbox of deliveries, and the log of their tries."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from imgen.records.tables.base import metadata

_WAITS = text("ended_at IS NULL")
_ENDED = text("ended_at IS NOT NULL")

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text, nullable=False, server_default=""),
    Column("old_until", Double),
    Column("enabled", Boolean, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False),
    Column("delivered_at", Double),
    Index(None, "tenant_id"),
    Index(None, "created_at", "id"),
)
"""Endpoints of tenants. `events` has a space before and after each event. Secrets are stored as they are: they sign."""

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text, nullable=False, server_default=""),
    Column("old_until", Double),
    Column("created_at", Double, nullable=False),
    Column("shown_at", Double),
)
"""Secrets of tenants, for the `webhook_url` of their requests; made at first use, shown once."""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("endpoint_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("next_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("status", Integer),
    Column("reason", Text, nullable=False, server_default=""),
    Index("ix_webhook_deliveries_due", "next_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
    Index("ix_webhook_deliveries_endpoint", "endpoint_id", sqlite_where=_WAITS, postgresql_where=_WAITS),
    Index("ix_webhook_deliveries_ended", "ended_at", sqlite_where=_ENDED, postgresql_where=_ENDED),
    Index("ix_webhook_deliveries_latest", "created_at", "id"),
    Index("ix_webhook_deliveries_tenant", "tenant_id", "created_at", "id"),
    Index("ix_webhook_deliveries_state", "tenant_id", "state", "created_at", "id"),
    Index("ix_webhook_deliveries_of_state", "state", "created_at", "id"),
)
"""Outbox: a row for each end of a job and each address that wants it, written with that end. `next_at` is its lease as
well: a try moves it into the future first."""

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("status", Integer),
    Column("reason", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("delivery_id", "number"),
)
"""Tries of deliveries, deleted with them."""
