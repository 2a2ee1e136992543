"""Quality tiers, and the names by which a model can be pinned: one file, tiers.toml. Values only; configuration/ reads them.

A tier is drawn by the first of its models that can be; STAND_IN among them is the catalog's default model. A model that is not in
the catalog is listed with the reason, and cannot be pinned.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, get_args

import msgspec
from msgspec import Meta, Struct, field, structs

from imgen.domain.account import QualityTier
from imgen.domain.catalog import Catalog, Model, Ratio, Size, check_size, clamp, nearest_size
from imgen.domain.request import ResolvedRequest, in_order

TIERS = get_args(QualityTier)
DEFAULT_TIER = "standard"
OURSELVES = "imgen"
"""Name of who computes where no engine elsewhere does."""
STAND_IN = "*"
"""Name of the catalog's default model among those of a tier."""


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quality tier, one table of tiers.toml."""

    key: str
    label: str
    models: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Keys of models, or STAND_IN: the first that can draw does."""
    provider: str = ""
    """Name of who computes, as callers are told it; empty: the model's engine elsewhere, or `OURSELVES`."""
    steps: dict[str, Annotated[int, Meta(ge=1, le=1000)]] = field(default_factory=dict)
    """Model key → its denoising steps in this tier, within the model's range; others take their own default."""
    size: Size
    """Width and height where neither a size nor a ratio is asked for; a model without it takes its nearest."""
    ratios: Annotated[tuple[Ratio, ...], Meta(min_length=1)] = get_args(Ratio)
    """Ratios that may be asked for."""
    credits: Annotated[int, Meta(ge=0, le=1_000_000)]
    """Credits that a picture costs; a pinned model costs its own."""
    time_limit_s: Annotated[int, Meta(ge=1, le=3600)] = 60
    """Longest time of a job from its first step to its end."""
    negative_prompt: bool = True
    """Whether a negative prompt counts, where the model uses one."""

    def __post_init__(self) -> None:
        """Raises ValueError if the size cannot be made a picture of ours."""
        check_size(*self.size)


class Selectable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name by which callers may pin a model, one table below `selectable` in tiers.toml."""

    key: str
    """The name itself, such as `@cf/black-forest-labs/flux-2-dev`."""
    label: str
    names: tuple[str, ...] = ()
    """Further, shorter names."""
    model: str
    """Key of the model that is drawn with."""
    provider: str = ""
    """As for `Tier`."""


class Candidate(NamedTuple):
    """Model of the catalog that can draw a tier."""

    model: Model
    is_stand_in: bool
    """Whether it draws because none of the tier's own models is there."""


class Tiers(Struct, frozen=True, kw_only=True):
    """Contents of tiers.toml."""

    tiers: Mapping[str, Tier]
    """All of TIERS, in their order."""
    selectable: Mapping[str, Selectable]

    def pinned(self, name: str) -> Selectable | None:
        """Finds the entry of a name, long or short, without regard to case; None: it names none."""
        wanted = name.strip().casefold()
        for entry in self.selectable.values():
            if wanted in {one.casefold() for one in (entry.key, *entry.names)}:
                return entry
        return None


def candidates(tier: Tier, catalog: Catalog) -> list[Candidate]:
    """Returns the models that can draw a tier, the best first; none: the tier is unavailable."""
    found = [
        Candidate(catalog.model(""), is_stand_in=True)
        if key == STAND_IN
        else Candidate(catalog.models[key], is_stand_in=False)
        for key in tier.models
        if key == STAND_IN or key in catalog.models
    ]
    own = {one.model.key for one in found if not one.is_stand_in}
    return [one for one in found if not one.is_stand_in or one.model.key not in own]


def tier_note(tier: Tier, chosen: Candidate | None) -> str:
    """Returns the sentence on a tier that another model draws than one of its own, or none does; empty: one of its own does."""
    missing = ", ".join(key for key in tier.models if key != STAND_IN)
    if chosen is None:
        return f"Unavailable: none of {missing} is configured"
    if not chosen.is_stand_in:
        return ""
    drawn = f"Drawn by {chosen.model.label} ({chosen.model.key})"
    return f"{drawn}: none of {missing} is configured" if missing else drawn


def unavailable(entry: Selectable, catalog: Catalog) -> str:
    """Returns the reason why a model cannot be pinned; empty: it can."""
    if entry.model in catalog.models:
        return ""
    absent = catalog.absent.get(entry.model)
    return f"Model {entry.model} is not available: {absent}" if absent else f"Model {entry.model} is not configured"


def provider_of(entry: Tier | Selectable, model: Model | None, catalog: Catalog) -> str:
    """Returns the name of who computes: the entry's own, else the model's engine elsewhere, else ourselves."""
    return entry.provider or (catalog.provider(model) if model else "") or OURSELVES


def tier_size(tier: Tier, model: Model) -> Size:
    """Returns the size that a model draws in a tier where none is asked for: the tier's, or the model's nearest."""
    sizes = model.all_sizes
    return tier.size if tier.size in sizes else nearest_size(*tier.size, sizes)


def within_tier(order: ResolvedRequest, tier: Tier, *, pinned: str = "") -> ResolvedRequest:
    """Gives an order what its tier says and it does not: size, steps, credits, time limit, and whether its negatives count.

    Args:
        order: of the model that draws.
        tier: the tier.
        pinned: name by which the model was pinned: its credits and its use of a negative prompt are its own; empty: the tier's.
    """
    model = order.model
    width, height = order.width, order.height
    if order.sent.isdisjoint(("width", "height")):
        width, height = tier_size(tier, model)
    steps = order.num_inference_steps
    if "steps" not in order.sent:
        steps = clamp(tier.steps.get(model.key, steps), model.steps.min, model.steps.max)
    drops_negative = not tier.negative_prompt and not pinned and bool(order.negative)
    return structs.replace(
        order,
        width=width,
        height=height,
        num_inference_steps=steps,
        credits=model.credits if pinned else tier.credits,
        negative="" if drops_negative else order.negative,
        warnings=in_order((*order.warnings, *(("negative",) if drops_negative else ()))),
        tier=tier.key,
        pinned=pinned,
        time_limit_s=tier.time_limit_s,
    )


def parse_tier(key: str, table: Mapping[str, object]) -> Tier:
    """Builds a tier from its table.

    Raises:
        msgspec.ValidationError: a field is missing, unknown, of the wrong type or out of range; the message names its path.
    """
    return msgspec.convert({"key": key, **table}, Tier)


def parse_selectable(key: str, table: Mapping[str, object]) -> Selectable:
    """Builds the entry of a name from its table.

    Raises:
        msgspec.ValidationError: as for `parse_tier`.
    """
    return msgspec.convert({"key": key, **table}, Selectable)


def doubled_names(entries: Mapping[str, Selectable]) -> list[str]:
    """Returns the names that more than one entry has."""
    seen: set[str] = set()
    doubled = []
    for entry in entries.values():
        own = {name.casefold() for name in (entry.key, *entry.names)}
        doubled += sorted(own & seen)
        seen |= own
    return doubled
