"""Quality tiers and selectable models over Forge, and the health of the server."""

from imgen import __version__
from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import RATIOS, Model, Size, size_of_ratio
from imgen.domain.tiers import tier_size
from imgen.services.tiers import ModelOffer, TierOffer, model_offers, tier_offers
from imgen.surfaces.call import Call
from imgen.surfaces.forge.answers import ForgeCapabilities, ForgeHealth, ForgeModel, ForgeModels, ForgeTier

PATH, HEALTH_PATH = "/v2/models", "/v2/health"


async def list_all(call: Call) -> Answer:
    """Lists the tiers and the selectable models."""
    await call.principal()
    tiers, models = await tier_offers(call.core), await model_offers(call.core)
    return json_answer(ForgeModels(tiers=tuple(map(_tier, tiers)), models=tuple(map(_model, models))))


async def health(_call: Call) -> Answer:
    """Answers the version."""
    return json_answer(ForgeHealth(version=__version__))


def _tier(offer: TierOffer) -> ForgeTier:
    tier, model = offer.tier, offer.model
    return ForgeTier(
        tier=tier.key,
        label=tier.label,
        model=None if model is None else model.key,
        provider=tier.provider,
        default_size=None if model is None else _text(tier_size(tier, model)),
        aspect_ratios=() if model is None else tuple(ratio for ratio in _ratios(model) if ratio in tier.ratios),
        credits=tier.credits,
        time_limit_s=tier.time_limit_s,
        capabilities=_capabilities(offer.capabilities, heeds_negative=tier.negative_prompt),
        available=model is not None,
        note=offer.note or None,
    )


def _model(offer: ModelOffer) -> ForgeModel:
    entry, model = offer.entry, offer.model
    return ForgeModel(
        id=entry.key,
        aliases=entry.names,
        label=entry.label,
        provider=entry.provider,
        default_size=None if model is None else _text(model.sizes[0]),
        aspect_ratios=() if model is None else _ratios(model),
        credits=None if model is None else model.credits,
        capabilities=_capabilities(offer.capabilities),
        available=model is not None,
        reason=offer.reason or None,
    )


def _capabilities(able: Capabilities | None, *, heeds_negative: bool = True) -> ForgeCapabilities:
    if able is None:
        return ForgeCapabilities(negative_prompt=False, img2img=False, inpaint=False, seed=False)
    return ForgeCapabilities(
        negative_prompt=able.negative and heeds_negative,
        img2img=able.image,
        inpaint=able.image and able.inpaint,
        seed=able.seed,
    )


def _ratios(model: Model) -> tuple[str, ...]:
    return tuple(ratio for ratio in RATIOS if size_of_ratio(ratio, model.all_sizes) is not None)


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
