"""Fixtures of the domain's tests: the rulesets and word lists as they are shipped."""

import tomllib
from pathlib import Path

import pytest

from imgen.domain.review.ruleset import CompiledRuleset, compile_ruleset, parse_ruleset
from imgen.domain.wordlists import Wordlists, parse_wordlists

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="session")
def rulesets() -> dict[str, CompiledRuleset]:
    return {
        path.stem: compile_ruleset(parse_ruleset(path.stem, tomllib.loads(path.read_text("utf-8"))))
        for path in sorted((CONFIG / "rulesets").glob("*.toml"))
    }


@pytest.fixture(scope="session")
def words() -> Wordlists:
    return parse_wordlists(tomllib.loads((CONFIG / "prompts" / "words.toml").read_text("utf-8")))
