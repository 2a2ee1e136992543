"""Prompts without pictures: `optimize` one, or draw a random one from the word lists."""

from imgen.domain.prompt import unparse
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest
from imgen.domain.wordlists import random_prompt
from imgen.services.core import Core
from imgen.services.enhance import enhance


async def optimize(core: Core, prompt: str | None, *, model: object, style: object) -> str:
    """Improves the positive part of a prompt.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: the prompt is wrong.
        EnhancementFailed: the enhancer did not answer.
    """
    request = GenerateRequest(prompt=prompt, model=model, style=style)
    limit = core.settings.jobs.max_prompt_chars
    resolved = resolve(request, core.catalog, core.rulesets, max_prompt_chars=limit)
    style_of = resolved.model.styles[resolved.style]
    return unparse(await enhance(core.enhancer, resolved.parsed, resolved.model, style_of))


def randomize(core: Core, character: object) -> str:
    """Makes a random prompt. Character None or unknown: a random one; empty: none; else that one."""
    known = tuple(core.catalog.characters)
    if character == "" or not known:
        chosen = ""
    elif isinstance(character, str) and character in known:
        chosen = character
    else:
        chosen = core.rng.choice(known)
    return random_prompt(core.words, core.rng, chosen)
