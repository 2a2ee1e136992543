"""Resolution of a request: makes an order of its fields, for dialects that repair and for those that refuse."""

from collections.abc import Callable, Container

from msgspec import structs

from imgen.domain.catalog import Catalog, Model, Size, nearest_size
from imgen.domain.errors import InvalidCharacter, InvalidField
from imgen.domain.field_values import FieldReader
from imgen.domain.prompt import Parsed, clean
from imgen.domain.recipe import Attribution, Output, VisibleWatermark
from imgen.domain.request import (
    FIELDS,
    FORMATS,
    MAX_ATTRIBUTION_CHARS,
    MAX_PRECOMPLIANCE_CHARS,
    POSITIONS,
    RANGES,
    GenerateRequest,
    Range,
    ResolvedRequest,
)


def resolve_with(
    reader: FieldReader,
    request: GenerateRequest,
    parsed: Parsed,
    catalog: Catalog,
    rulesets: Container[str],
    *,
    sizes_of: Callable[[Model], tuple[Size, ...]],
    open_jobs: int = 0,
) -> ResolvedRequest:
    """Reads every field of a request but its prompt. The order has no warnings yet.

    Args:
        reader: notes wrong values, or refuses them.
        request: as it was sent.
        parsed: its prompt.
        catalog: models and characters.
        rulesets: names of the configured ones.
        sizes_of: returns the sizes of a model that may be asked for, the default first.
        open_jobs: limit of the tenant's plan, 0: none; `n` is at most it.

    Raises:
        InvalidCharacter: the chosen model does not have the prompt's character.
        InvalidField: `compliance_ruleset` names no configured one, or the reader refuses a field.
    """
    model = catalog.model(reader.choice("model", request.model, tuple(catalog.models)))
    width, height = reader.size(request.width, request.height, sizes_of(model))
    picture_format = reader.choice("format", request.format, FORMATS)
    steps = Range(model.steps.default, model.steps.min, model.steps.max)
    guidance = Range(model.guidance.default, model.guidance.min, model.guidance.max)
    reader.note_idle_cache_fields(request)
    reader.note_idle_input_fields(request)
    resolved = ResolvedRequest(
        parsed=parsed,
        negative=clean(request.negative or "").strip(),
        model=model,
        credits=model.credits,
        optimize=bool(request.optimize),
        use_cache=bool(request.use_cache),
        cache_only=bool(request.cache_only),
        cache_force=bool(request.cache_force),
        cache_pick=reader.integer("cache_pick", request.cache_pick),
        width=width,
        height=height,
        style=reader.choice("style", request.style, (model.default_style, *model.styles)),
        output=Output(
            format=picture_format,
            quality=reader.integer("quality", request.quality),
            lossless=reader.lossless(request.lossless, picture_format),
        ),
        ruleset=_ruleset(request.compliance_ruleset, rulesets),
        precompliance=reader.text("precompliance", request.precompliance, MAX_PRECOMPLIANCE_CHARS),
        visible_watermark=VisibleWatermark(
            position=reader.choice("wm_position", request.wm_position, POSITIONS),
            scale=reader.integer("wm_scale", request.wm_scale),
            transparency=reader.integer("wm_transparency", request.wm_transparency),
            rotation=reader.integer("wm_rotation", request.wm_rotation),
            padding_x=reader.integer("wm_padding_x", request.wm_padding_x),
            padding_y=reader.integer("wm_padding_y", request.wm_padding_y),
        ),
        attribution=Attribution(
            author=reader.text("cs_author", request.cs_author, MAX_ATTRIBUTION_CHARS),
            title=reader.text("cs_title", request.cs_title, MAX_ATTRIBUTION_CHARS),
            description=reader.text("cs_description", request.cs_description, MAX_ATTRIBUTION_CHARS),
            organization=reader.text("cs_organization", request.cs_organization, MAX_ATTRIBUTION_CHARS),
            vendor=reader.text("cs_vendor", request.cs_vendor, MAX_ATTRIBUTION_CHARS),
        ),
        seed=reader.seed(request.seed),
        num_inference_steps=reader.integer("steps", request.steps, steps),
        guidance_scale=reader.number("guidance", request.guidance, guidance),
        lora_scale=reader.number("lora_scale", request.lora_scale),
        n=reader.integer("n", request.n, _pictures(open_jobs)),
        image_strength=reader.number("image_strength", request.image_strength),
        upscale=reader.upscale(request.upscale),
        source=request.image,
        mask=request.mask,
        logo=request.wm_image,
        webhook_url=request.webhook_url or "",
        sent=frozenset(name for name in FIELDS if not reader.is_absent(getattr(request, name))),
        warnings=(),
    )
    if parsed.character and parsed.character not in catalog.characters_of(model):
        raise InvalidCharacter
    return resolved


def fit_source(resolved: ResolvedRequest, size: Size) -> ResolvedRequest:
    """Gives a request without a size the one of its model nearest to its source's; `size` is width and height of that."""
    if not resolved.sent.isdisjoint(("width", "height")):
        return resolved
    width, height = nearest_size(*size, resolved.model.sizes)
    return structs.replace(resolved, width=width, height=height)


def _pictures(open_jobs: int) -> Range:
    """Returns the range of `n` under a plan's limit of open jobs; 0: it has none."""
    limits = RANGES["n"]
    return limits._replace(high=min(limits.high, open_jobs or limits.high))


def _ruleset(name: str | None, rulesets: Container[str]) -> str:
    """Returns the named ruleset; absent and empty mean `default`.

    Raises:
        InvalidField: it is not configured.
    """
    key = (name or "").strip() or "default"
    if key not in rulesets:
        raise InvalidField("compliance_ruleset")
    return key
