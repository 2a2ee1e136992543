"""Capabilities of a model, as its engine tells them, and the fields of a request that have no effect with them."""

from collections.abc import Sequence

from msgspec import Struct, structs

from imgen.domain.catalog import Model, Size, nearest_size
from imgen.domain.engine_options import EngineChoice, RemoteOptions
from imgen.domain.request import ResolvedRequest, in_order


class Capabilities(Struct, frozen=True, kw_only=True):
    """Modes that a model can draw in, and the parameters that change its pictures."""

    text: bool = True
    image: bool = True
    """Whether it draws from a source."""
    inpaint: bool = True
    """Whether a mask says where it draws."""
    negative: bool = True
    negative_above: float | None = 1.0
    """Guidance scale above which a negative prompt acts; None: at every one."""
    guidance: bool = True
    seed: bool = True
    steps: bool = True
    strength: bool = True
    """Whether the distance from a source can be told."""
    size_multiple: int = 1
    """Pixels; both sides are multiples of it."""
    longest_side: int | None = None
    """Pixels; None: there is no limit."""
    batch: int = 1
    """Most pictures of one call."""

    def draws(self, size: Size) -> bool:
        """Returns whether a size can be drawn."""
        return all(side % self.size_multiple == 0 for side in size) and max(size) <= (self.longest_side or max(size))


def without_effect(resolved: ResolvedRequest, able: Capabilities) -> tuple[str, ...]:
    """Returns the fields of a request that change nothing with its model."""
    sent = resolved.sent
    is_contrasted = able.negative_above is None or resolved.guidance_scale > able.negative_above
    heeds_negatives = able.negative and is_contrasted
    seen = {
        "negative": bool(resolved.negative) and not heeds_negatives,
        "prompt": bool(resolved.parsed.negative) and not heeds_negatives,
        "guidance": "guidance" in sent and not able.guidance,
        "steps": "steps" in sent and not able.steps,
        "seed": "seed" in sent and not able.seed,
        "image": "image" in sent and not able.image,
        "image_strength": "image_strength" in sent and not (able.image and able.strength),
        "mask": "mask" in sent and not (able.image and able.inpaint),
    }
    return tuple(field for field, is_idle in seen.items() if is_idle)


def heeding(resolved: ResolvedRequest, able: Capabilities) -> ResolvedRequest:
    """Returns an order without the pictures that its model cannot use, and with all that has no effect among its warnings.

    Its model has the sizes left that can be drawn; another one that was asked for becomes the nearest of them, and is told.

    A source that the model cannot draw from is left out, and the picture drawn from words: as every value that cannot be used,
    it is told, not refused (contract, section 1). With a mask that it cannot heed the whole source would be redrawn, which nobody
    who masks a part of it wants: then the source is left out as well.
    """
    idle = without_effect(resolved, able)
    if "mask" in idle and resolved.source is not None:
        idle += ("image", *(("image_strength",) if "image_strength" in resolved.sent else ()))
    source = None if "image" in idle else resolved.source
    mask = None if "mask" in idle else resolved.mask
    resolved, changed = _with_size(resolved, able)
    # Without its source the request is looked up in the cache like any other
    active = {"use_cache", "cache_force"} if source is not resolved.source and resolved.use_cache else set()
    warnings = in_order((*(name for name in resolved.warnings if name not in active), *idle, *changed))
    return structs.replace(resolved, source=source, mask=mask, warnings=warnings)


def _with_size(resolved: ResolvedRequest, able: Capabilities) -> tuple[ResolvedRequest, tuple[str, ...]]:
    """Returns a request whose size and whose model's sizes can be drawn, and the sides that were sent and changed.

    If the model can draw none of its sizes, nothing changes: its job fails with the reason.
    """
    model, size = resolved.model, (resolved.width, resolved.height)
    drawn = tuple(one for one in model.sizes if able.draws(one))
    if not drawn or len(drawn) == len(model.sizes):
        return resolved, ()
    width, height = size if able.draws(size) else nearest_size(*size, drawn)
    pairs = {"width": (resolved.width, width), "height": (resolved.height, height)}
    changed = tuple(name for name, (old, new) in pairs.items() if old != new and name in resolved.sent)
    model = structs.replace(model, sizes=drawn)
    return structs.replace(resolved, model=model, width=width, height=height), changed


def assumed(model: Model) -> Capabilities:
    """Returns what the catalog tells of a model; used until a worker has told more."""
    if isinstance(model.engine, RemoteOptions):
        return of_engines(model.engine.engines)
    return Capabilities(negative=model.negative_prompt)


def of_engines(choices: Sequence[EngineChoice]) -> Capabilities:
    """Returns what a model's remote engines can do: inputs that one of them can use, parameters that the first one takes.

    The strength is heeded if one that draws from sources takes it: the first one may draw from words alone.
    """
    first = choices[0]
    return Capabilities(
        image=any(choice.edits for choice in choices),
        inpaint=any(choice.edits == "mask" for choice in choices),
        negative="negative" in first.takes,
        negative_above=None,
        guidance="guidance" in first.takes,
        seed="seed" in first.takes,
        steps="steps" in first.takes,
        strength=any(choice.edits and "strength" in choice.takes for choice in choices),
    )
