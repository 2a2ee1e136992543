"""Quality tiers and selectable models as they are now: the model that draws each, what it can do, or why there is none."""

from typing import NamedTuple

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Model
from imgen.domain.job import render_queue
from imgen.domain.tiers import Candidate, Selectable, Tier, candidates, provider_of, tier_note, unavailable
from imgen.services.core import Core
from imgen.services.engine_troubles import engine_troubles


class TierOffer(NamedTuple):
    """Quality tier, as it is drawn now."""

    tier: Tier
    model: Model | None
    """Model that draws it; None: it is unavailable."""
    provider: str
    """Name of who computes."""
    capabilities: Capabilities | None
    note: str
    """Sentence on a tier that is unavailable, or that another model draws than one of its own; empty: one of its own does."""
    is_available: bool
    """Whether a job is drawn now; else it waits for an engine elsewhere, or no model draws the tier at all."""


class ModelOffer(NamedTuple):
    """Name by which a model can be pinned, or cannot now."""

    entry: Selectable
    model: Model | None
    """None: it cannot be pinned."""
    provider: str
    """Name of who computes."""
    capabilities: Capabilities | None
    reason: str
    """Reason why it cannot be pinned, or why its jobs wait for an engine elsewhere; empty: it is drawn."""


async def tier_candidate(core: Core, tier: Tier) -> Candidate | None:
    """Returns the model that draws a tier: the first configured one that a worker serves, else the first; None: there is none."""
    found = candidates(tier, core.catalog)
    for one in found:
        if await core.is_served(render_queue(one.model.key)):
            return one
    return found[0] if found else None


async def tier_offers(core: Core) -> list[TierOffer]:
    """Lists all tiers, from the cheapest."""
    offers, troubles = [], await engine_troubles(core)
    for tier in core.tiers.tiers.values():
        chosen = await tier_candidate(core, tier)
        model = None if chosen is None else chosen.model
        able = None if model is None else await core.capabilities(model)
        trouble = troubles.get(model.key, "") if model else ""
        note = "; ".join(filter(None, (tier_note(tier, chosen), trouble and f"Unavailable: {trouble}")))
        provider, is_available = provider_of(tier, model, core.catalog), model is not None and not trouble
        offers.append(TierOffer(tier, model, provider, able, note, is_available))
    return offers


async def model_offers(core: Core) -> list[ModelOffer]:
    """Lists all selectable models, in configured order."""
    offers, troubles = [], await engine_troubles(core)
    for entry in core.tiers.selectable.values():
        model = core.catalog.models.get(entry.model)
        able = None if model is None else await core.capabilities(model)
        provider = provider_of(entry, model, core.catalog)
        reason = unavailable(entry, core.catalog)
        if not reason and (trouble := troubles.get(entry.model, "")):
            reason = f"Model {entry.model} is not available: {trouble}"
        offers.append(ModelOffer(entry, model, provider, able, reason))
    return offers
