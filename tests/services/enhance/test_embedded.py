"""Better prompts without an endpoint, and with one that is dead."""

import asyncio

import pytest
from servers.chat import FAULTS
from services.enhance.prompts import INSTRUCTIONS, PROMPT, TIMEOUT_S

from imgen.domain.errors import EnhancementFailed
from imgen.domain.prompt import Parsed
from imgen.services.enhance import enhance, open_enhancer
from imgen.settings.sections import Enhancer as EnhancerSettings

PAUSE_S = 1.0
"""Of an endpoint that failed three times: longer than a few requests take on a busy machine."""


def test_without_a_base_url_the_embedded_one_answers(improved, chat):
    """It asks nobody, keeps the caller's terms first, adds some, and says the same each time."""
    first = improved(base_url="")
    assert first.positive[:2] == PROMPT.positive
    assert len(first.positive) > 2
    assert (first.character, first.negative) == (PROMPT.character, PROMPT.negative)
    assert improved(base_url="") == first
    assert chat.asked == []


def test_the_embedded_one_leaves_alone_what_is_good(improved):
    """A prompt that it made, one in another script and one without terms come back as they were."""
    made = improved(base_url="")
    for prompt in (made, Parsed(positive=("赤いコート",)), Parsed(character="quillon")):
        assert improved(prompt, base_url="") == prompt


def test_a_dead_endpoint_is_left_alone(chat, words, catalog):
    """After three failures in a row it is not asked at all; once the pause is over it is tried, and used if it answers."""
    given = {"base_url": chat.base_url, "model": "wordsmith", "timeout_s": TIMEOUT_S, "pause_s": PAUSE_S}
    model = catalog.models["eros"]

    async def main():
        enhancer = open_enhancer(EnhancerSettings(**given), words, INSTRUCTIONS)
        style = model.styles["cinematic"]
        chat.will(always=FAULTS["503"])
        for _ in range(3):
            with pytest.raises(EnhancementFailed):
                await enhance(enhancer, PROMPT, model, style)
        asked = len(chat.asked)
        for _ in range(5):
            with pytest.raises(EnhancementFailed):
                await enhance(enhancer, PROMPT, model, style)
        assert len(chat.asked) == asked
        await asyncio.sleep(PAUSE_S + 0.1)
        chat.will()
        better = await enhance(enhancer, PROMPT, model, style)
        await enhancer.close()
        return better

    assert asyncio.run(main()).positive != PROMPT.positive
