"""Prompts without pictures: `optimize` one, or draw a random one from the word lists."""

from imgen.domain.prompt import unparse
from imgen.domain.request import GenerateRequest, repair
from imgen.domain.wordlists import random_prompt
from imgen.services.core import Core
from imgen.services.enhance import enhance
from imgen.services.submit import check_character, parse_prompt


async def optimize(core: Core, prompt: str | None, *, model: object, style: object) -> str:
    """The prompt with a better positive part.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: the prompt.
        EnhancementFailed: the enhancer did not answer.
    """
    parsed = parse_prompt(core, prompt)
    order = repair(GenerateRequest(model=model, style=style), core.catalog, core.rulesets)
    check_character(core, parsed, order)
    return unparse(await enhance(core.enhancer, parsed, order.model, order.model.styles[order.style]))


def randomize(core: Core, character: object) -> str:
    """A random prompt. Character None or unknown: any of the configured ones; empty: none; else that one."""
    known = tuple(core.catalog.characters)
    if character == "" or not known:
        chosen = ""
    elif isinstance(character, str) and character in known:
        chosen = character
    else:
        chosen = core.rng.choice(known)
    return random_prompt(core.words, core.rng, chosen)
