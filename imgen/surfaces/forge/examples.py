"""Example requests and answers of Forge, with names from the running configuration."""

from imgen import __version__
from imgen.domain.example_prompt import POSITIVE
from imgen.domain.principal import SCOPES
from imgen.domain.tiers import DEFAULT_TIER, OURSELVES
from imgen.services.core import Core
from imgen.surfaces.description import Schema

JOB_ID = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
TENANT_ID = "ten_5f2d9c3a1b7e8d04"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CREATED_AT, COMPLETED_AT = "2026-11-21T12:00:00.000Z", "2026-11-21T12:00:07.250Z"
RAW_KEY = "imgf_" + "0" * 64


def requests(_core: Core) -> dict[str, Schema]:
    """Returns the requests by operation and name, as OpenAPI has them."""
    drawn = {"prompt": POSITIVE, "quality_tier": "standard", "aspect_ratio": "4:3", "seed": 1234}
    return {
        "generate": {
            "queued": {"summary": "A job", "value": drawn},
            "sync": {"summary": "Wait for the picture", "value": drawn | {"sync": True}},
            "image_to_image": {
                "summary": "From a picture of yours",
                "value": drawn | {"input_job_id": JOB_ID, "input_strength": 0.5},
            },
        },
        "create_tenant": {"tenant": {"summary": "A tenant", "value": {"name": "Acme Studio"}}},
    }


def answers(core: Core) -> dict[str, dict[int, Schema]]:
    """Returns an answer by operation and status."""
    tenant = {"tenant_id": TENANT_ID, "name": "Acme Studio", "tier": "free"}
    key = {"api_key": RAW_KEY, "api_key_prefix": RAW_KEY[:13], "scopes": list(SCOPES)}
    queued, completed = _job(core), _job(core) | _END
    return {
        "generate": {202: queued, 201: completed},
        "jobs": {200: {"jobs": [completed], "cursor": None}},
        "job": {200: completed},
        "cancel": {200: queued | {"state": "failed", "error": "Cancelled", "completed_at": COMPLETED_AT}},
        "models": {200: {"tiers": [_tier(core)], "models": [_model(core)]}},
        "health": {200: {"status": "ok", "version": __version__}},
        "create_tenant": {201: tenant | key},
        "tenants": {200: {"tenants": [tenant | {"role": "owner"}]}},
        "rotate_key": {200: tenant | key},
        "tenant_usage": {
            200: {"tenant_id": TENANT_ID, "tier": "free", "total_jobs": 31, "entitlements": [_PICTURES, _PACK]}
        },
    }


_END = {"state": "completed", "asset_url": f"/v2/assets/{SHA256}", "completed_at": COMPLETED_AT}
_PICTURES = {
    "type": "standard",
    "quota_limit": 100,
    "quota_used": 31,
    "remaining": 69,
    "period_start": "2026-11-01T00:00:00.000Z",
    "period_end": "2026-12-01T00:00:00.000Z",
    "source": "plan",
}
_PACK = {
    "type": "credits",
    "quota_limit": 500,
    "quota_used": 120,
    "remaining": 380,
    "period_start": CREATED_AT,
    "period_end": None,
    "source": "pack_500",
}
_ABLE = {"negative_prompt": True, "img2img": True, "inpaint": True, "seed": True}


def _job(core: Core) -> Schema:
    return {
        "job_id": JOB_ID,
        "state": "queued",
        "original_prompt": POSITIVE,
        "final_prompt": f"{POSITIVE}, detailed",
        "enhancement_logic": None,
        "quality_tier": "standard",
        "model": core.catalog.model("").key,
        "seed": 1234,
        "asset_url": None,
        "error": None,
        "created_at": CREATED_AT,
        "completed_at": None,
    }


def _tier(core: Core) -> Schema:
    tier = core.tiers.tiers[DEFAULT_TIER]
    return {
        "tier": tier.key,
        "label": tier.label,
        "model": core.catalog.model("").key,
        "provider": tier.provider or OURSELVES,
        "default_size": "1024x768",
        "aspect_ratios": list(tier.ratios),
        "credits": tier.credits,
        "time_limit_s": tier.time_limit_s,
        "capabilities": _ABLE,
        "available": True,
        "note": None,
    }


def _model(core: Core) -> Schema:
    entry = next(iter(core.tiers.selectable.values()), None)
    return {
        "id": "@cf/black-forest-labs/flux-1-schnell" if entry is None else entry.key,
        "aliases": [] if entry is None else list(entry.names),
        "label": "FLUX.1 Schnell" if entry is None else entry.label,
        "provider": "imgen",
        "default_size": None,
        "aspect_ratios": [],
        "credits": None,
        "capabilities": dict.fromkeys(_ABLE, False),
        "available": False,
        "reason": "Model flux-1-schnell is not configured",
    }
