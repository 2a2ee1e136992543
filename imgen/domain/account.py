"""Accounts: tenants, and the plans that limit them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

ANONYMOUS_TENANT_ID = "ten_anonymous"
"""Tenant of all callers without a credential, made with the first of them."""
POLL_EVERY_S = 3
"""Interval at which clients are asked to poll each open job (contract, section 1, Polling)."""
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

    @property
    def shortfall(self) -> str:
        """Returns a sentence if the rate cannot carry the polls of all open jobs; empty: it can."""
        polls = self.open_jobs * 60 // POLL_EVERY_S
        if not self.requests_per_minute or (self.open_jobs and polls <= self.requests_per_minute):
            return ""
        jobs = (
            f"its {self.open_jobs} open jobs takes {polls}" if self.open_jobs else "any number of open jobs takes more"
        )
        return f"plan {self.key}: requests_per_minute is {self.requests_per_minute}, but polling {jobs}"


class Tenant(Struct, frozen=True, kw_only=True):
    """Account that pays for pictures and owns them."""

    id: str
    name: str
    plan: str


def quota_owner(tenant_id: str, counted_as: str) -> str:
    """Returns the owner of the sums that a plan limits: the tenant, which its members share; of anonymous callers each alone."""
    return counted_as if tenant_id == ANONYMOUS_TENANT_ID else tenant_id


def parse_plan(key: str, table: Mapping[str, object]) -> Plan:
    """Builds a plan from its table.

    Raises:
        msgspec.ValidationError: a field is missing, unknown, of the wrong type or out of range; the message names its path.
    """
    return msgspec.convert({"key": key, **table}, Plan)
