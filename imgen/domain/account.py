"""Accounts: tenants, and the plans that limit them."""

from msgspec import Struct


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a tenant, one entry of plans.toml. 0 means unlimited."""

    key: str
    label: str
    requests_per_minute: int = 0
    """Limit of each key."""
    pictures_per_day: int = 0
    pictures_per_month: int = 0
    open_jobs: int = 0
    """Jobs of the tenant that wait or run at one time."""
    priority: int = 3
    """Priority in the queue, 0 first; 0, 3, 6 and 9 are the broker's buckets."""


class Tenant(Struct, frozen=True, kw_only=True):
    """Account that pays for pictures and owns them."""

    id: str
    name: str
    plan: str
