"""Orders of Studio: a source, a mode and what its caller chooses, as an order of strictly right values."""

from msgspec import structs

from imgen.domain.capabilities import without_effect
from imgen.domain.catalog import Model, clamp
from imgen.domain.errors import InvalidField, PromptRequired
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed, plain
from imgen.domain.request import Export, GenerateRequest, PictureSource, ResolvedRequest
from imgen.domain.strict import resolve_strictly
from imgen.domain.studio import (
    ASPECTS,
    AVATAR,
    EXPORTS,
    LONG_SIDES,
    MODES,
    MOST_COUNT,
    NEEDS_PROMPT,
    SOURCE_ASPECT,
    Preset,
    StudioMode,
)
from imgen.services.core import Core

_ARGUMENTS = {"image_strength": "strength", "n": "count", "image": "source", "style": "preset"}
"""Field of a request → argument of `studio_order` that decides it; others have one name."""


async def studio_order(
    core: Core,
    principal: Principal,
    *,
    mode: str,
    source: PictureSource,
    prompt: str = "",
    preset: str = "",
    export: str = EXPORTS[0],
    aspect: str = SOURCE_ASPECT,
    count: int = 1,
    strength: float | None = None,
    seed: int | None = None,
) -> ResolvedRequest:
    """Makes an order of a mode. Nothing is read of its source yet: `submit` does, and calls one that it cannot use `image`.

    Args:
        core: the core.
        principal: acts for the tenant.
        mode: one of studio.MODES.
        source: the picture to start from.
        prompt: plain text: `@` and `-` mean nothing in it; empty: none, where the mode can do without.
        preset: of an avatar, key of one that is configured; elsewhere none.
        export: one of studio.EXPORTS.
        aspect: one of studio.ASPECTS.
        count: number of pictures, each of another seed; at most studio.MOST_COUNT, and what the plan allows open jobs.
        strength: distance from the source, 0–1; None: the mode's or the preset's. It is of no meaning to `enhance`.
        seed: of the first picture; None: a random one.

    Raises:
        InvalidField: an argument is wrong, by its name; or its model is not configured, or cannot draw from a picture.
        ExportNotInPlan: the tenant's plan does not include the size.
    """
    _check_choice("mode", mode, MODES)
    _check_choice("export", export, EXPORTS)
    _check_choice("aspect", aspect, ASPECTS)
    chosen = core.studio.modes[mode]
    look = _preset(core, chosen, preset)
    core.plan_of(principal.tenant.plan).require_export(LONG_SIDES[export])
    model = _model(core, chosen, look)
    if isinstance(count, int) and count > MOST_COUNT:
        raise InvalidField("count")
    request = GenerateRequest(
        negative=", ".join(filter(None, (chosen.negative, look.negative if look else ""))) or None,
        model=model.key,
        style=(look.style if look else "") or chosen.style or None,
        steps=None if chosen.steps is None else clamp(chosen.steps, model.steps.min, model.steps.max),
        n=count,
        image=source,
        image_strength=(look or chosen).strength if strength is None else strength,
        seed=seed,
    )
    try:
        order = resolve_strictly(
            request,
            _parsed(core, chosen, look, prompt),
            core.catalog,
            core.rulesets,
            max_prompt_chars=core.settings.jobs.max_prompt_chars,
            open_jobs=core.plan_of(principal.tenant.plan).open_jobs,
        )
    except InvalidField as exc:
        raise InvalidField(_ARGUMENTS.get(exc.field, exc.field), exc.reason) from exc
    order = structs.replace(
        order,
        mode=mode,
        plain_prompt=prompt,
        export=Export(aspect=aspect, long_side=LONG_SIDES[export]),
        restyle_strength=chosen.restyle_strength,
        credits=model.credits if chosen.credits is None else chosen.credits,
    )
    return structs.replace(order, num_inference_steps=0) if order.is_enhance else await _heeded(core, order)


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidField(name, f"{name} is one of {', '.join(known)}")


def _preset(core: Core, mode: StudioMode, key: str) -> Preset | None:
    """Returns the preset of a key; of an avatar the first one where it is empty.

    Raises:
        InvalidField: there is none of that key, or the mode takes none.
    """
    presets = core.studio.presets
    if mode.key != AVATAR:
        if key:
            raise InvalidField("preset", f"preset is for mode {AVATAR} alone")
        return None
    if not key:
        return next(iter(presets.values()), None)
    _check_choice("preset", key, tuple(presets))
    return presets[key]


def _model(core: Core, mode: StudioMode, look: Preset | None) -> Model:
    key = (look.model if look else "") or mode.model
    if key and key not in core.catalog.models:
        raise InvalidField("preset" if look and look.model else "mode", f"Model {key} is not configured")
    return core.catalog.model(key)


def _parsed(core: Core, mode: StudioMode, look: Preset | None, prompt: object) -> Parsed:
    """Returns the terms of the caller, and after them those of the mode and the preset.

    Raises:
        InvalidField: the prompt is too long, or has no words where the mode needs some.
    """
    if not isinstance(prompt, str) or len(prompt) > core.settings.jobs.max_prompt_chars:
        raise InvalidField("prompt")
    if mode.key in NEEDS_PROMPT and not _terms(prompt):
        raise InvalidField("prompt", f"prompt is required for mode {mode.key}")
    texts = (prompt, mode.words, look.words if look else "")
    return Parsed(positive=tuple(term for text in texts for term in _terms(text)))


def _terms(text: str) -> tuple[str, ...]:
    try:
        return plain(text).positive
    except PromptRequired:
        return ()


async def _heeded(core: Core, order: ResolvedRequest) -> ResolvedRequest:
    """Returns an order without what has no effect with its model and was not the caller's.

    Raises:
        InvalidField: the model cannot draw from a picture.
    """
    idle = without_effect(order, await core.capabilities(order.model))
    if "image" in idle:
        raise InvalidField("mode", f"{order.model.label} cannot draw from a picture")
    sent = order.sent & {"image", "seed", "image_strength"}
    return structs.replace(order, sent=frozenset(sent), negative="" if "negative" in idle else order.negative)
