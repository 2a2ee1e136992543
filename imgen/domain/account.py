"""Accounts: tenants, and the plans that limit them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Limit = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a tenant, one entry of plans.toml. 0 means unlimited."""

    key: str
    label: str
    requests_per_minute: Limit = 0
    """Limit of each key."""
    pictures_per_day: Limit = 0
    pictures_per_month: Limit = 0
    open_jobs: Limit = 0
    """Jobs of the tenant that wait or run at one time."""
    priority: Annotated[int, Meta(ge=0, le=9)] = 3
    """Priority in the queue, 0 first; 0, 3, 6 and 9 are the broker's buckets."""


class Tenant(Struct, frozen=True, kw_only=True):
    """Account that pays for pictures and owns them."""

    id: str
    name: str
    plan: str


def parse_plan(key: str, table: Mapping[str, object]) -> Plan:
    """Builds a plan from its table.

    Raises:
        msgspec.ValidationError: a field is missing, unknown, of the wrong type or out of range; the message names its path.
    """
    return msgspec.convert({"key": key, **table}, Plan)
