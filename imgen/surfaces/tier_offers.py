"""Quality tiers and selectable models, as every surface that has tiers lists them."""

from typing import Annotated

from msgspec import Meta, Struct

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import RATIOS, Model, Size, size_of_ratio
from imgen.domain.tiers import tier_size
from imgen.services.core import Core
from imgen.services.tiers import ModelOffer, TierOffer, model_offers, tier_offers


class OfferedCapabilities(Struct, frozen=True, kw_only=True):
    """Modes and parameters that a model heeds; all false: it is not configured."""

    negative_prompt: bool
    img2img: bool
    inpaint: bool
    seed: bool


class OfferedTier(Struct, frozen=True, kw_only=True):
    """Quality tier."""

    tier: Annotated[str, Meta(description="Value of `quality_tier`.")]
    label: str
    model: Annotated[str | None, Meta(description="Model that draws it now; null: none.")]
    provider: Annotated[str, Meta(description="Who computes.")]
    default_size: Annotated[str | None, Meta(description="Width and height, such as `1024x768`.")]
    aspect_ratios: Annotated[tuple[str, ...], Meta(description="Values of `aspect_ratio`.")]
    credits: Annotated[int, Meta(description="Credits that a picture costs.")]
    time_limit_s: Annotated[int, Meta(description="Longest time in `processing`, in seconds.")]
    capabilities: OfferedCapabilities
    available: Annotated[
        bool, Meta(description="Whether it is drawn now; where an engine elsewhere takes no work, a job waits for it.")
    ]
    note: Annotated[str | None, Meta(description="Why it is not available, or what draws in its place; else null.")]


class OfferedModel(Struct, frozen=True, kw_only=True):
    """Selectable model."""

    id: Annotated[str, Meta(description="Value of `model` or `cf_model`.")]
    aliases: Annotated[tuple[str, ...], Meta(description="Shorter names of the same.")]
    label: str
    provider: Annotated[str, Meta(description="Who computes.")]
    default_size: Annotated[str | None, Meta(description="Width and height of the model; null: it is not configured.")]
    aspect_ratios: tuple[str, ...]
    credits: Annotated[int | None, Meta(description="Credits that a picture costs; null: it is not configured.")]
    capabilities: OfferedCapabilities
    available: Annotated[
        bool,
        Meta(
            description="Whether it is drawn now. A job of one that is configured and not available waits for its engine."
        ),
    ]
    reason: Annotated[str | None, Meta(description="Why it is not available; else null.")]


class TiersAndModels(Struct, frozen=True, kw_only=True):
    """Tiers and selectable models."""

    tiers: tuple[OfferedTier, ...]
    models: tuple[OfferedModel, ...]


async def tiers_and_models(core: Core) -> TiersAndModels:
    """Lists the tiers, from the cheapest, and the selectable models, in configured order."""
    tiers, models = await tier_offers(core), await model_offers(core)
    return TiersAndModels(tiers=tuple(map(_tier, tiers)), models=tuple(map(_model, models)))


def _tier(offer: TierOffer) -> OfferedTier:
    tier, model = offer.tier, offer.model
    return OfferedTier(
        tier=tier.key,
        label=tier.label,
        model=None if model is None else model.key,
        provider=offer.provider,
        default_size=None if model is None else _text(tier_size(tier, model)),
        aspect_ratios=() if model is None else tuple(ratio for ratio in _ratios(model) if ratio in tier.ratios),
        credits=tier.credits,
        time_limit_s=tier.time_limit_s,
        capabilities=_capabilities(offer.capabilities, heeds_negative=tier.negative_prompt),
        available=offer.is_available,
        note=offer.note or None,
    )


def _model(offer: ModelOffer) -> OfferedModel:
    entry, model = offer.entry, offer.model
    return OfferedModel(
        id=entry.key,
        aliases=entry.names,
        label=entry.label,
        provider=offer.provider,
        default_size=None if model is None else _text(model.sizes[0]),
        aspect_ratios=() if model is None else _ratios(model),
        credits=None if model is None else model.credits,
        capabilities=_capabilities(offer.capabilities),
        available=not offer.reason,
        reason=offer.reason or None,
    )


def _capabilities(able: Capabilities | None, *, heeds_negative: bool = True) -> OfferedCapabilities:
    if able is None:
        return OfferedCapabilities(negative_prompt=False, img2img=False, inpaint=False, seed=False)
    return OfferedCapabilities(
        negative_prompt=able.negative and heeds_negative,
        img2img=able.image,
        inpaint=able.image and able.inpaint,
        seed=able.seed,
    )


def _ratios(model: Model) -> tuple[str, ...]:
    return tuple(ratio for ratio in RATIOS if size_of_ratio(ratio, model.all_sizes) is not None)


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
