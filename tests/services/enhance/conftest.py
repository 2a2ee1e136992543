"""A chat endpoint that may do anything, and an enhancer over it."""

import asyncio
import tomllib

import pytest
from servers.chat import start_chat
from services.enhance.prompts import CONFIG, INSTRUCTIONS, KEY, PROMPT, TIMEOUT_S

from imgen.domain.catalog import Catalog, parse_catalog
from imgen.domain.prompt import Parsed
from imgen.domain.wordlists import Wordlists, parse_wordlists
from imgen.services.enhance import enhance, open_enhancer
from imgen.settings.sections import Enhancer as EnhancerSettings


@pytest.fixture(scope="module")
def words() -> Wordlists:
    return parse_wordlists(tomllib.loads((CONFIG / "prompts" / "words.toml").read_text("utf-8")))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return parse_catalog(tomllib.loads((CONFIG / "models.toml").read_text("utf-8")), {})


@pytest.fixture(scope="module")
def running_chat():
    with start_chat() as started:
        yield started


@pytest.fixture
def chat(running_chat):
    """The endpoint, in order and with nothing asked of it yet."""
    running_chat.will()
    return running_chat


@pytest.fixture
def improved(chat, words, catalog):
    """Enhances prompts with one enhancer, opened over the endpoint; returns the last result."""

    def run(*prompts: Parsed, **changes) -> Parsed:
        given = {"base_url": chat.base_url, "api_key": KEY, "model": "wordsmith", "timeout_s": TIMEOUT_S} | changes
        model = catalog.models["eros"]

        async def main():
            enhancer = open_enhancer(EnhancerSettings(**given), words, INSTRUCTIONS)
            try:
                for prompt in prompts or (PROMPT,):
                    result = await enhance(enhancer, prompt, model, model.styles["cinematic"])
            finally:
                await enhancer.close()
            return result

        return asyncio.run(main())

    return run
