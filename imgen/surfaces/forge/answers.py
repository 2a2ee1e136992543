"""Answers of Forge."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

JobState = Literal["queued", "processing", "completed", "failed"]


class ForgeJob(Struct, frozen=True, kw_only=True):
    """State of a job."""

    job_id: Annotated[str, Meta(description="UUID of the job.")]
    state: Annotated[JobState, Meta(description="`completed` and `failed` are final.")]
    original_prompt: Annotated[str, Meta(description="Prompt as it was sent.")]
    final_prompt: Annotated[str, Meta(description="Prompt that is drawn.")]
    enhancement_logic: Annotated[
        str | None,
        Meta(description="What was done to the prompt, and what of the request has no effect; null: nothing."),
    ]
    quality_tier: Annotated[str | None, Meta(description="Tier that was asked for; null: a job of another surface.")]
    model: Annotated[str, Meta(description="Model that draws the picture.")]
    seed: Annotated[int | None, Meta(description="Seed of the picture; null: the engine does not tell it.")]
    asset_url: Annotated[
        str | None, Meta(description="Path of the finished picture, under this server; null until then.")
    ]
    error: Annotated[str | None, Meta(description="Reason of a failure; else null.")]
    created_at: Annotated[str, Meta(description="UTC, with milliseconds.")]
    completed_at: Annotated[
        str | None, Meta(description="Time of the job's end, UTC, with milliseconds; null until then.")
    ]


class ForgeJobs(Struct, frozen=True, kw_only=True):
    """Page of jobs, newest first."""

    jobs: tuple[ForgeJob, ...]
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


class ForgeCapabilities(Struct, frozen=True, kw_only=True):
    """Modes and parameters that a model heeds; all false: it is not available."""

    negative_prompt: bool
    img2img: bool
    inpaint: bool
    seed: bool


class ForgeTier(Struct, frozen=True, kw_only=True):
    """Quality tier."""

    tier: Annotated[str, Meta(description="Value of `quality_tier`.")]
    label: str
    model: Annotated[str | None, Meta(description="Model that draws it now; null: none.")]
    provider: Annotated[str, Meta(description="Who computes.")]
    default_size: Annotated[str | None, Meta(description="Width and height, such as `1024x768`.")]
    aspect_ratios: Annotated[tuple[str, ...], Meta(description="Values of `aspect_ratio`.")]
    credits: Annotated[int, Meta(description="Credits that a picture costs.")]
    time_limit_s: Annotated[int, Meta(description="Longest time in `processing`, in seconds.")]
    capabilities: ForgeCapabilities
    available: bool
    note: Annotated[str | None, Meta(description="Why it is not available, or what draws in its place; else null.")]


class ForgeModel(Struct, frozen=True, kw_only=True):
    """Selectable model."""

    id: Annotated[str, Meta(description="Value of `model` or `cf_model`.")]
    aliases: Annotated[tuple[str, ...], Meta(description="Shorter names of the same.")]
    label: str
    provider: Annotated[str, Meta(description="Who computes.")]
    default_size: Annotated[str | None, Meta(description="Width and height of the model; null: it is not configured.")]
    aspect_ratios: tuple[str, ...]
    credits: Annotated[int | None, Meta(description="Credits that a picture costs; null: it is not configured.")]
    capabilities: ForgeCapabilities
    available: bool
    reason: Annotated[str | None, Meta(description="Why it is not available; else null.")]


class ForgeModels(Struct, frozen=True, kw_only=True):
    """Tiers and selectable models."""

    tiers: tuple[ForgeTier, ...]
    models: tuple[ForgeModel, ...]


class ForgeHealth(Struct, frozen=True, kw_only=True):
    """Health of the server."""

    status: Literal["ok"] = "ok"
    version: str
