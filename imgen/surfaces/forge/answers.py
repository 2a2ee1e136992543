"""Answers of Forge."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from imgen.surfaces.tier_jobs import TierJob


class ForgeJobs(Struct, frozen=True, kw_only=True):
    """Page of jobs, newest first."""

    jobs: tuple[TierJob, ...]
    cursor: Annotated[str | None, Meta(description="Cursor of the next page; null: there is none.")]


class ForgeNewTenant(Struct, frozen=True, kw_only=True):
    """Tenant with its key, which is shown this once."""

    tenant_id: str
    name: str
    api_key: Annotated[str, Meta(description="The raw key: `imgf_` and 64 hex digits. Keep it: it is not stored.")]
    api_key_prefix: Annotated[str, Meta(description="Its first 13 characters, which tell keys apart.")]
    scopes: tuple[str, ...]
    tier: Annotated[str, Meta(description="Key of the tenant's plan.")]


class ForgeTenant(Struct, frozen=True, kw_only=True):
    """Tenant of a person."""

    tenant_id: str
    name: str
    tier: Annotated[str, Meta(description="Key of its plan.")]
    role: Annotated[str, Meta(description="`owner` or `member`.")]


class ForgeTenants(Struct, frozen=True, kw_only=True):
    """Tenants of a person, oldest first."""

    tenants: tuple[ForgeTenant, ...]


class ForgeEntitlement(Struct, frozen=True, kw_only=True):
    """Amount that a tenant may use up."""

    type: Annotated[str, Meta(description="`standard`: pictures; `credits`: the second, independent limit.")]
    quota_limit: Annotated[int | None, Meta(description="Null: no limit.")]
    quota_used: Annotated[int, Meta(description="Used, open jobs included.")]
    remaining: Annotated[int | None, Meta(description="Null: no limit.")]
    period_start: Annotated[str, Meta(description="UTC; of a pack, the time of its purchase.")]
    period_end: Annotated[str | None, Meta(description="UTC; null: it never expires.")]
    source: Annotated[str, Meta(description="`plan`, or the name of a pack.")]


class ForgeTenantUsage(Struct, frozen=True, kw_only=True):
    """Use of a tenant's plan."""

    tenant_id: str
    tier: Annotated[str, Meta(description="Key of its plan.")]
    total_jobs: Annotated[int, Meta(description="Jobs of the tenant that are stored.")]
    entitlements: tuple[ForgeEntitlement, ...]


class ForgeHealth(Struct, frozen=True, kw_only=True):
    """Health of the server."""

    status: Literal["ok"] = "ok"
    version: str
