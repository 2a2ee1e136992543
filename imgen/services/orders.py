"""Orders of requests: every value within the limits of catalog, settings, plan and tier, as the dialect of the request has it."""

from msgspec import structs

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import RATIOS, Model, size_of_ratio
from imgen.domain.errors import InvalidField
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed, parse, plain
from imgen.domain.recipe import Recipe
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest, ResolvedRequest
from imgen.domain.strict import resolve_strictly
from imgen.domain.tiers import Candidate, Tier, tier_note, unavailable, within_tier
from imgen.services.core import Core
from imgen.services.tiers import tier_candidate


def repaired_order(core: Core, principal: Principal, request: GenerateRequest) -> ResolvedRequest:
    """Makes an order whose wrong values are repaired and told.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: see repair.resolve.
    """
    return resolve(
        request,
        core.catalog,
        core.rulesets,
        max_prompt_chars=core.settings.jobs.max_prompt_chars,
        open_jobs=core.plan_of(principal.tenant.plan).open_jobs,
    )


def strict_order(
    core: Core,
    principal: Principal,
    request: GenerateRequest,
    *,
    is_plain: bool = False,
    max_prompt_chars: int | None = None,
    needs_prompt: bool = True,
) -> ResolvedRequest:
    """Makes an order of right values.

    Args:
        core: the core.
        principal: acts for the tenant.
        request: as it was sent.
        is_plain: whether `@` and `-` mean nothing in its prompt, which is then kept as it was sent.
        max_prompt_chars: limit of the prompt; None: that of the settings.
        needs_prompt: whether an empty prompt is refused; else the picture is drawn from its source alone.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters: see prompt.parse and prompt.plain.
        InvalidField: see strict.resolve_strictly; or the prompt is too long.
    """
    prompt, limit = request.prompt or "", max_prompt_chars or core.settings.jobs.max_prompt_chars
    if not isinstance(prompt, str) or len(prompt) > limit:
        raise InvalidField("prompt")
    parsed = Parsed()
    if prompt.strip() or needs_prompt:
        parsed = plain(prompt) if is_plain else parse(prompt, core.catalog.characters)
    order = resolve_strictly(
        request,
        parsed,
        core.catalog,
        core.rulesets,
        max_prompt_chars=limit,
        open_jobs=core.plan_of(principal.tenant.plan).open_jobs,
    )
    return structs.replace(order, plain_prompt=prompt) if is_plain else order


async def tier_order(
    core: Core,
    principal: Principal,
    request: GenerateRequest,
    *,
    tier: str,
    pinned: str = "",
    ratio: str = "",
    is_plain: bool = False,
) -> ResolvedRequest:
    """Makes a strict order of a quality tier, whose model, steps, size, credits and time limit are the tier's.

    Args:
        core: the core.
        principal: acts for the tenant.
        request: as it was sent, without a model.
        tier: key of the tier.
        pinned: name of a selectable model, which then draws and costs its own credits; empty: the tier's model.
        ratio: a ratio such as `16:9`; empty: the tier's size, or that of a source.
        is_plain: as for `strict_order`.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters: as for `strict_order`.
        InvalidField: as for it; or of `tier`, `model` or `ratio`, with the reason: there is no such one, it is not
            available, or the model has no size of that ratio.
    """
    chosen = core.tiers.tiers.get(tier)
    if chosen is None:
        raise InvalidField("tier")
    model = _pinned_model(core, pinned) if pinned else (await _tier_model(core, chosen)).model
    order = strict_order(core, principal, structs.replace(request, model=model.key), is_plain=is_plain)
    order = within_tier(order, chosen, pinned=pinned)
    return _with_ratio(order, chosen, ratio, await core.capabilities(model)) if ratio else order


def credits_of(core: Core, recipe: Recipe) -> int:
    """Returns the credits that a picture of a recipe costs now: its mode's or tier's, else its model's own."""
    mode = core.studio.modes.get(recipe.mode or "")
    if mode is not None and mode.credits is not None:
        return mode.credits
    tier = core.tiers.tiers.get(recipe.tier or "")
    return core.catalog.models[recipe.model].credits if tier is None or recipe.pinned else tier.credits


async def _tier_model(core: Core, tier: Tier) -> Candidate:
    found = await tier_candidate(core, tier)
    if found is None:
        raise InvalidField("tier", tier_note(tier, None))
    return found


def _pinned_model(core: Core, name: str) -> Model:
    entry = core.tiers.pinned(name)
    if entry is None:
        raise InvalidField("model")
    if reason := unavailable(entry, core.catalog):
        raise InvalidField("model", reason)
    return core.catalog.models[entry.model]


def _with_ratio(order: ResolvedRequest, tier: Tier, ratio: str, able: Capabilities) -> ResolvedRequest:
    """Gives an order the size of a ratio, as if that had been sent."""
    sizes = tuple(size for size in order.model.all_sizes if able.draws(size))
    size = size_of_ratio(ratio, sizes) if ratio in RATIOS and ratio in tier.ratios else None
    if size is None:
        raise InvalidField("ratio")
    return structs.replace(order, width=size[0], height=size[1], sent=order.sent | {"width", "height"})
