"""Order of a request: the dialect's words for model, quality, size and format in those of the core."""

import re

from msgspec import structs

from imgen.asgi.answer_headers import note_warning
from imgen.domain.capabilities import Capabilities, without_effect
from imgen.domain.catalog import nearest_size
from imgen.domain.errors import InvalidField, PromptRequired
from imgen.domain.principal import Principal
from imgen.domain.request import GenerateRequest, ResolvedRequest
from imgen.domain.tiers import tier_note, within_tier
from imgen.services.core import Core
from imgen.services.orders import strict_order
from imgen.services.tiers import tier_candidate
from imgen.surfaces.openai.asked import Asked
from imgen.surfaces.openai.failures import Unsupported
from imgen.surfaces.openai.models import named
from imgen.surfaces.openai.wire import OpenAIPictures, Quality

TIERS: dict[Quality, str] = {
    "low": "draft",
    "medium": "standard",
    "standard": "standard",
    "high": "premium",
    "hd": "premium",
    "xhigh": "ultra",
    "max": "ultra_plus",
}
"""Value of `quality` → quality tier."""
AUTO = "auto"
FORMAT = "png"
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_NAMES = {
    "tier": "quality",
    "negative": "negative_prompt",
    "image_strength": "strength",
    "format": "output_format",
    "quality": "output_compression",
    "width": "size",
    "height": "size",
}
"""Field of the core's request → the wire's name."""


def format_of(sent: OpenAIPictures) -> str:
    """Returns the file format of a request."""
    wanted = sent.output_format or FORMAT
    return "jpeg" if wanted == "jpg" else wanted


async def make_order(core: Core, principal: Principal, asked: Asked) -> ResolvedRequest:
    """Makes the order of a request.

    Raises:
        InvalidField: a value is wrong, by its name on the wire.
        ModelNotFound: there is no such model.
    """
    try:
        return await _order(core, principal, asked)
    except PromptRequired as exc:
        raise InvalidField("prompt", "prompt has no words") from exc
    except InvalidField as exc:
        raise in_words_of_the_wire(exc) from exc


def in_words_of_the_wire(error: InvalidField) -> InvalidField:
    """Returns an error of the core with the name that the field has here."""
    name = _NAMES.get(error.field, error.field)
    return error if name == error.field else InvalidField(name, error.reason)


def note_warnings(warnings: tuple[str, ...]) -> None:
    """Tells fields without effect in the answer's head."""
    for name in dict.fromkeys(_NAMES.get(one, one) for one in warnings):
        note_warning("mask keeps all of the image" if name == "mask" else f"{name} has no effect with this model")


async def _order(core: Core, principal: Principal, asked: Asked) -> ResolvedRequest:
    sent, prompt, pictures = asked.sent, asked.prompt, asked.pictures
    if sent.background == "transparent":
        raise Unsupported("background", "Pictures with a transparent background are not supported")
    limit = core.settings.openai.max_prompt_chars
    if prompt is not None and len(prompt) > limit:
        raise InvalidField("prompt", f"prompt has at most {limit:,} characters")
    chosen = named(core, sent.model)
    tier = core.tiers.tiers.get(TIERS.get(sent.quality or "auto", ""))
    model = chosen.model
    if model is None and tier is not None:
        candidate = await tier_candidate(core, tier)
        if candidate is None:
            raise InvalidField("tier", tier_note(tier, None))
        model = candidate.model
    request = GenerateRequest(
        prompt=prompt,
        model=(model or core.catalog.model("")).key,
        negative=(sent.negative_prompt or "").strip() or None,
        optimize=prompt is not None and core.settings.enhances_for_openai,
        format=format_of(sent),
        quality=None if sent.output_compression is None else max(1, sent.output_compression),
        seed=sent.seed,
        n=sent.n,
        image=pictures.source,
        image_strength=asked.strength,
        mask=pictures.mask,
    )
    order = strict_order(
        core, principal, request, is_plain=True, max_prompt_chars=limit, needs_prompt=prompt is not None
    )
    if tier is not None:
        order = within_tier(order, tier, pinned=chosen.name)
    able = await core.capabilities(order.model)
    _refuse_idle_pictures(order, able)
    return structs.replace(_with_size(order, sent.size, able), must_optimize=False)


def _refuse_idle_pictures(order: ResolvedRequest, able: Capabilities) -> None:
    """Refuses pictures that the model cannot use: an edit of another picture than the one that was sent is no answer.

    Raises:
        InvalidField: it cannot draw from a picture, or not within a mask.
    """
    idle = without_effect(order, able)
    for field, deed in (("mask", "redraw a part of a picture"), ("image", "draw from a picture")):
        if field in idle:
            raise InvalidField(field, f"{order.model.label} cannot {deed}")


def _with_size(order: ResolvedRequest, size: str | None, able: Capabilities) -> ResolvedRequest:
    """Gives an order the size of its model nearest to the one that is asked for, if one is.

    Raises:
        InvalidField: it is none.
    """
    wanted = (size or AUTO).strip().casefold()
    if wanted == AUTO:
        return order
    match = _SIZE.fullmatch(wanted)
    if match is None:
        raise InvalidField("size", "size is `auto`, or width and height such as `1024x1024`")
    sizes = [one for one in order.model.all_sizes if able.draws(one)] or list(order.model.all_sizes)
    width, height = nearest_size(int(match[1]), int(match[2]), sizes)
    return structs.replace(order, width=width, height=height, sent=order.sent | {"width", "height"})
