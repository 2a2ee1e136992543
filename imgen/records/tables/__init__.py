"""Tables as SQLAlchemy Core, a module for each field. They are imported here, so that `metadata` is complete.

migrations/ creates them; a test compares both.
Times are seconds since the epoch. Recipes and outcomes are JSON text made from Structs by msgspec.
"""

from imgen.records.tables import (
    accounts,
    answers,
    assets,
    cache,
    deletions,
    engines,
    events,
    idempotency,
    jobs,
    ledger,
    oauth,
    operations,
    picture_records,
    uploads,
    users,
    webhooks,
)
from imgen.records.tables.base import metadata

__all__ = [
    "accounts",
    "answers",
    "assets",
    "cache",
    "deletions",
    "engines",
    "events",
    "idempotency",
    "jobs",
    "ledger",
    "metadata",
    "oauth",
    "operations",
    "picture_records",
    "uploads",
    "users",
    "webhooks",
]
