"""Accounts: tenants, the plans that limit them, and the packs of credits that add to a plan."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from imgen.domain.errors import ExportNotInPlan, SurfaceNotInPlan, TierNotInPlan

ANONYMOUS_TENANT_ID = "ten_anonymous"
"""Tenant of all callers without a credential, made with the first of them."""
POLL_EVERY_S = 3
"""Interval at which clients are asked to poll each open job (contract, section 1, Polling)."""
Limit = Annotated[int, Meta(ge=0, le=1_000_000_000)]
PlanSurface = Literal["action", "forge", "mcp", "openai", "studio", "web"]
QualityTier = Literal["draft", "standard", "premium", "ultra", "ultra_plus"]
"""Quality tiers, from the cheapest (contract, section 3); tiers.toml describes them."""
_WEB = {"playground": "web", "panel": "web"}
"""Surface of a job → name that plans have for it."""


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a tenant, one entry of plans.toml. 0 means unlimited."""

    key: str
    label: str
    requests_per_minute: Limit = 0
    """Limit of each key."""
    poll_every_s: Annotated[int, Meta(ge=1, le=3600)] = POLL_EVERY_S
    """Interval at which its clients poll an open job."""
    pictures_per_day: Limit = 0
    """Limits of pictures and credits are pooled over the tenant's members and keys."""
    pictures_per_month: Limit = 0
    credits_per_day: Limit = 0
    """Credits that the plan gives; packs add to them."""
    credits_per_month: Limit = 0
    open_jobs: Limit = 0
    """Jobs of the tenant that wait or run at one time."""
    priority: Annotated[int, Meta(ge=0, le=9)] = 3
    """Priority in the queue, 0 first; 0, 3, 6 and 9 are the broker's buckets."""
    seats: Limit = 0
    """Members that the tenant may have."""
    max_export_px: Limit = 0
    """Longest side of an exported picture, on surfaces where a size is asked for."""
    surfaces: tuple[PlanSurface, ...] = ()
    """Surfaces that may be used; empty: all."""
    tiers: tuple[QualityTier, ...] = ()
    """Quality tiers that may be used; empty: all."""

    def require_surface(self, surface: str) -> None:
        """Raises SurfaceNotInPlan if the plan does not include the surface."""
        if self.surfaces and _WEB.get(surface, surface) not in self.surfaces:
            raise SurfaceNotInPlan

    def require_tier(self, tier: str) -> None:
        """Raises TierNotInPlan if the plan does not include the tier; an empty one is none."""
        if tier and self.tiers and tier not in self.tiers:
            raise TierNotInPlan

    def require_export(self, long_side: int) -> None:
        """Raises ExportNotInPlan if a long side that was asked for is beyond the plan's; 0 is none that was asked for."""
        if self.max_export_px and long_side > self.max_export_px:
            raise ExportNotInPlan

    @property
    def shortfall(self) -> str:
        """Returns a sentence if the rate cannot carry the polls of all open jobs; empty: it can."""
        polls = self.open_jobs * 60 // self.poll_every_s
        if not self.requests_per_minute or (self.open_jobs and polls <= self.requests_per_minute):
            return ""
        jobs = (
            f"its {self.open_jobs} open jobs takes {polls}" if self.open_jobs else "any number of open jobs takes more"
        )
        return f"plan {self.key}: requests_per_minute is {self.requests_per_minute}, but polling {jobs}"


class Pack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credits that are bought beside a plan and never expire, one entry of `packs` in plans.toml."""

    key: str
    label: str
    credits: Annotated[int, Meta(ge=1, le=1_000_000_000)]


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


def parse_pack(key: str, table: Mapping[str, object]) -> Pack:
    """Builds a pack from its table.

    Raises:
        msgspec.ValidationError: as for `parse_plan`.
    """
    return msgspec.convert({"key": key, **table}, Pack)
