"""The tables, as SQLAlchemy Core sees them. migrations/ makes them; a test checks that both agree.

Times are seconds since the epoch. Recipes and outcomes are JSON text made from Structs by msgspec.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("plan", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("expires_at", Double),
    Column("old_hash", Text, unique=True),
    Column("old_until", Double),
    Column("deleted_at", Double),
)
"""A key that was rotated is known by its old hash as well, until then."""

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""People who sign in to the panel. `password_hash` is Argon2id's own form, parameters included."""

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    PrimaryKeyConstraint("user_id", "tenant_id"),
)
"""Whose keys and pictures a `member` sees; an `admin` sees all."""

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""Signed-in browsers. A cookie whose row is gone is worth nothing."""

HAS_PICTURES = text("coalesce(state, '') = 'completed' AND stripped_at IS NULL")
"""Which jobs the index for samples holds; a query says it in the same words, or the index is not used. With the bare state
SQLite would rather take one of the indexes that begin with it."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("gen_id", Text, nullable=False, unique=True),
    Column("tenant_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("model", Text, nullable=False, server_default=""),
    Column("style", Text, nullable=False, server_default=""),
    Column("character", Text, nullable=False, server_default=""),
    Column("ruleset", Text, nullable=False, server_default=""),
    Column("prompt", Text, nullable=False, server_default=""),
    Column("watermark_id", Text, nullable=False, unique=True),
    Column("master_key", Text, nullable=False),
    Column("timings", Text, nullable=False),
    Column("outcome", Text),
    Column("created_at", Double, nullable=False),
    Column("available_at", Double, nullable=False),
    Column("published_at", Double),
    Column("claimed_at", Double),
    Column("lease_until", Double),
    Column("deadline_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("stripped_at", Double),
    Column("unreviewed_since", Double),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "state", "lease_until"),
    Index(None, "state", "queue", "published_at"),
    Index(None, "ended_at"),
    Index(None, "key_id", "created_at"),
    Index(
        "ix_jobs_gallery",
        *("created_at", "id", "tenant_id", "state", "key_id", "model", "character", "prompt", "ended_at"),
    ),
    Index(
        "ix_jobs_samples",
        *("model", "style", "character", "ruleset", "tenant_id", "created_at", "state", "stripped_at"),
        sqlite_where=HAS_PICTURES,
        postgresql_where=HAS_PICTURES,
    ),
)
"""`model`, `style`, `character`, `ruleset` and the prompt's beginning are the recipe's own, for searching: the gallery's index
holds all that a search or a count looks at, so that it need not read the rows."""

claims = Table(
    "claims",
    metadata,
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("published_at", Double, nullable=False),
    PrimaryKeyConstraint("queue", "priority"),
)
"""When the latest message that was claimed from a queue had been published: a waiting job published well before that was
overtaken, so its message is lost (see records/reconcile.py)."""

ledger = Table(
    "ledger",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("job_id", "kind"),
    Index(None, "tenant_id", "at"),
)
"""One `hold` for each job and one `charge` or `release` when it ends; never changed, never removed."""

counters = Table(
    "counters",
    metadata,
    Column("owner", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("pictures", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("owner", "period"),
)
"""Sums of the ledger by owner (tenant or key id) and period (`2026-11-21`, `2026-11`; UTC)."""

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "at"),
    Index(None, "tenant_id", "at"),
    Index(None, "subject"),
)
"""Who did what to whom: appended to, never changed, which triggers see to. `actor` is a key, a person, `reviewer` or an
account on the command line; `detail` is JSON."""

cache_entries = Table(
    "cache_entries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, nullable=False, unique=True),
    Column("tenant_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("partition", Text, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("made_with", Text, nullable=False),
    Column("codes", Text, nullable=False),
    Column("judged_by", Text, nullable=False),
    Column("floor_version", Integer, nullable=False),
    Column("master_key", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("hits", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("ready_at", Double),
    Column("purged_at", Double),
    Index(None, "ready_at"),
    Index(None, "purged_at"),
    Index(None, "tenant_id"),
)
"""The semantic cache. A row is made with its job, is ready when that job ends safe, and stays a while after it is purged,
for other processes to see and for jobs that still read its master. `vector` is little-endian float32."""

cache_lookups = Table(
    "cache_lookups",
    metadata,
    Column("tenant_id", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("hits", Integer, nullable=False, server_default="0"),
    Column("misses", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "day"),
)
"""How often the cache was asked, by tenant and day (`2026-11-21`, UTC)."""

locks = Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Double, nullable=False),
)

installation = Table(
    "installation",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("name"),
)
"""Facts of this installation that all its processes must agree on, such as the secret that signs disk addresses."""
