"""Prompts without pictures: `optimize` one, or draw a random one from the word lists."""

from msgspec import Struct

from imgen.domain.principal import Principal
from imgen.domain.prompt import unparse
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest
from imgen.domain.wordlists import random_prompt
from imgen.services import limits
from imgen.services.core import Core
from imgen.services.enhance import enhance


class MadePrompt(Struct, frozen=True, kw_only=True):
    """Prompt, and the repaired fields of its request."""

    prompt: str
    warnings: tuple[str, ...] = ()


async def optimize(
    core: Core, principal: Principal, prompt: str | None, *, model: object, style: object, surface: str
) -> MadePrompt:
    """Improves the positive part of a prompt, if a picture of it could be asked for now: the tenant's own open jobs do not count.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: the prompt is wrong.
        SurfaceNotInPlan, QueueFull, QuotaExceeded, TooManyBlocked: see limits.py.
        EnhancementFailed: the enhancer did not answer.
    """
    request = GenerateRequest(prompt=prompt, model=model, style=style)
    limit = core.settings.jobs.max_prompt_chars
    resolved = resolve(request, core.catalog, core.rulesets, max_prompt_chars=limit)
    core.plan_of(principal.tenant.plan).require_surface(surface)
    await limits.check_penalty(core, principal)
    await limits.check_quota(core, principal, cost=resolved.credits, makes_job=False)
    await limits.check_queue(core)
    style_of = resolved.model.styles[resolved.style]
    improved = await enhance(core.enhancer, resolved.parsed, resolved.model, style_of)
    return MadePrompt(prompt=unparse(improved), warnings=resolved.warnings)


def randomize(core: Core, character: object) -> MadePrompt:
    """Makes a random prompt. Character None or unknown: a random one; empty: none; else that one."""
    known = tuple(core.catalog.characters)
    is_known = isinstance(character, str) and character in known
    anyone = core.rng.choice(known) if known else ""
    chosen = str(character) if is_known or character == "" else anyone
    warnings = () if is_known or character in (None, "") else ("character",)
    return MadePrompt(prompt=random_prompt(core.words, core.rng, chosen), warnings=warnings)
