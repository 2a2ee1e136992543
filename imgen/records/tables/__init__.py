"""All tables, as SQLAlchemy Core sees them: a module for each field, joined here so that `metadata` is whole.

migrations/ makes them; a test checks that both agree.
Times are seconds since the epoch. Recipes and outcomes are JSON text made from Structs by msgspec.
"""

from imgen.records.tables import accounts, cache, jobs, ledger, operations, people
from imgen.records.tables.base import metadata

__all__ = ["accounts", "cache", "jobs", "ledger", "metadata", "operations", "people"]
