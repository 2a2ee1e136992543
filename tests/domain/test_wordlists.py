"""The word lists and random prompts."""

import random

import msgspec
import pytest
from factories import judge_words

from imgen.domain.prompt import parse, unparse
from imgen.domain.wordlists import Wordlists, parse_wordlists, random_prompt

LISTS = ("subjects", "scenes", "outfits", "places", "times", "lights", "moods", "compositions", "details", "objects")


@pytest.mark.parametrize("name", LISTS)
def test_each_list_is_rich_and_without_repeats(name, words):
    """At least forty phrases, none twice."""
    phrases = getattr(words, name)
    assert len(phrases) >= 40
    assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize("name", LISTS)
def test_each_phrase_passes_every_ruleset(name, words, rulesets):
    """Each phrase of the lists is safe for work under every ruleset."""
    for compiled in rulesets.values():
        for phrase in getattr(words, name):
            verdict = judge_words(compiled, {"prompt": phrase})
            assert verdict.safe, (phrase, verdict.codes)


@pytest.mark.parametrize("character", ["aya", ""])
def test_random_prompts_are_prompts(character, words, rulesets):
    """A random prompt parses to its character, comes back unchanged, has no negatives and is safe."""
    rng = random.Random(7)
    for _ in range(200):
        prompt = random_prompt(words, rng, character)
        parsed = parse(prompt, ["aya"])
        assert (parsed.character, parsed.negative) == (character, ())
        assert 2 <= len(parsed.positive) <= 6
        assert unparse(parsed) == prompt
        assert judge_words(rulesets["strict"], {"prompt": prompt}).safe


def test_random_prompts_follow_their_random_numbers(words):
    """The same seed gives the same prompt; other seeds give others, people and landscapes among them."""
    assert random_prompt(words, random.Random(3), "aya") == random_prompt(words, random.Random(3), "aya")
    rng = random.Random(3)
    prompts = [random_prompt(words, rng, "") for _ in range(100)]
    assert len(set(prompts)) > 90
    landscapes = sum(prompt.startswith(words.scenes) for prompt in prompts)
    assert 10 < landscapes < 60


@pytest.mark.parametrize("phrase", ["", "a, b", "@aya", "-hat", " x"])
def test_phrases_that_are_no_terms_are_refused(phrase, words):
    """A phrase that would parse as something else is told by its path."""
    document = msgspec.to_builtins(words)
    assert isinstance(parse_wordlists(document), Wordlists)
    document["lights"] = [*document["lights"], phrase]
    with pytest.raises(msgspec.ValidationError, match="lights"):
        parse_wordlists(document)
