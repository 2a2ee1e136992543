"""The floor's logic; its words are tested by labelled_prompts.toml."""

import inspect
import itertools
import time

import pytest
from factories import judge_words
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.review.floor import FLOOR_VERSION, MINORS, judge_floor
from imgen.domain.review.ruleset import Rule, Ruleset, compile_ruleset

PERMISSIVE = compile_ruleset(
    Ruleset(
        id="permissive",
        label="Allows everything",
        rules=(Rule(id=MINORS, name="x", description="x", allow=("nude child", "nude", "child"), release=True),),
    )
)
WANTED = ("prompt", "original_prompt", "positive", "character", "cs_title", "cs_description")


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(WANTED, 2)])
def test_words_meet_across_parts(one, other):
    """It does not matter which wanted parts the two words stand in."""
    verdict = judge_floor({one: "a child", other: "nude"})
    assert verdict is not None
    assert {match.part for match in verdict.matches} == {one, other}


@pytest.mark.parametrize("part", [*WANTED, "negative", "precompliance"])
def test_no_field_lets_the_floor_through(part):
    """Both words in one field are refused in every field."""
    verdict = judge_words(PERMISSIVE, {"prompt": "a cat", part: "nude child"})
    assert (verdict.safe, verdict.floor, verdict.release, verdict.codes) == (False, True, False, (MINORS,))


@pytest.mark.parametrize(
    "hint",
    [
        "safe",
        "no minors, no nudity",
        "ignore the floor",
        "adult verified: 35 years old",
        '{"sexual/minors": false}',
        "art",
    ],
)
@pytest.mark.parametrize("negative", ["", "child", "nude", "nsfw, child, nude"])
def test_nothing_beside_the_prompt_lifts_the_floor(hint, negative, rulesets):
    """No hint, negative or ruleset changes the verdict on a prompt of the floor."""
    for compiled in (*rulesets.values(), PERMISSIVE):
        parts = {"prompt": "nude child", "negative": negative, "precompliance": hint}
        assert judge_words(compiled, parts).floor


@pytest.mark.parametrize(
    "parts",
    [
        {"prompt": "kids in a park, -nude, -nsfw"},
        {"prompt": "nude woman, -child, -teen"},
        {"prompt": "a cat", "negative": "nsfw, nude, child"},
        {"prompt": "nude woman", "precompliance": "a child"},
        {"prompt": "kids", "precompliance": "sexual/minors: 0.01; no nude children"},
        {"prompt": "kids in a park, -dirty clothes"},
    ],
)
def test_protection_is_not_punished(parts):
    """Negatives and hints that say what is absent do not meet the floor."""
    assert judge_floor(parts) is None


@pytest.mark.parametrize("age", range(1, 18))
@pytest.mark.parametrize(
    "form", ["{} year old", "{}-years-old", "{}yo", "{} y.o.", "aged {}", "age: {}", "{} Jahre alt", "{} ans", "{}岁"]
)
def test_ages_under_eighteen_are_minors(form, age):
    """Any age under eighteen beside a sexual word is the floor."""
    assert judge_floor({"prompt": f"{form.format(age)}, nude"})


@pytest.mark.parametrize("age", [18, 19, 21, 32, 45, 52, 71, 99, 118, "2,000"])
@pytest.mark.parametrize(
    "form", ["{} year old", "{}-years-old", "{}yo", "{} y.o.", "aged {}", "age: {}", "{} Jahre alt", "{} ans", "{}岁"]
)
def test_ages_from_eighteen_are_not(form, age):
    """Adult ages, and ages of old things, are not the floor, however their digits look as letters."""
    assert judge_floor({"prompt": f"{form.format(age)}, nude"}) is None


@pytest.mark.parametrize("text", ["(middle age:1.2), nude", "10 years of experience, lingerie", "5 years on, lingerie"])
def test_other_numbers_are_no_ages(text):
    """Weights and durations are not taken for ages."""
    assert judge_floor({"prompt": text}) is None


@pytest.mark.parametrize(
    "piece",
    ["nude ", "kid naked tree ", "n u d e ", "n*de k*d ", "little ", "12 year ", "(14) ", "👧🍑", "裸の子", "x" * 40],
)
@pytest.mark.parametrize("part", ["prompt", "negative"])
def test_judging_takes_linear_time(part, piece):
    """20,000 characters of the worst kinds are judged within three seconds on a slow core."""
    text = (piece * 20_000)[:20_000]
    started = time.process_time()
    judge_floor({part: text})
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "negative", ["shirt", "her pants", "the pink swimsuit", "blurry, underwear", "school uniform", "dress, ugly hands"]
)
def test_clothes_asked_away_from_a_child_are_the_floor(negative):
    """A garment in the negative prompt, or behind a dash with or without a comma, is undressing; a hat is none."""
    assert judge_floor({"prompt": "my daughter on a sofa", "negative": negative})
    assert judge_floor({"prompt": f"a child on a sofa, -{negative}"})
    assert judge_floor({"prompt": "a child on a sofa", "negative": "hat, dirty clothes, dress code"}) is None
    assert judge_floor({"prompt": "a woman on a sofa", "negative": negative}) is None


def test_ambiguous_words_meet_near_each_other_only():
    """A word with another sense counts beside a child, not at the other end of a long prompt; a plain word counts anywhere."""
    long = ", ".join(["a red kite over the hills"] * 5)
    assert judge_floor({"prompt": "a child, ass"})
    assert judge_floor({"prompt": f"a child, {long}, an ass before a cart"}) is None
    assert judge_floor({"prompt": f"a child, {long}, nude"})
    assert judge_floor({"prompt": "a child", "cs_title": "an ass before a cart"}) is None


def test_a_word_of_another_language_needs_its_own():
    """Polish "naga" is naked, in English a snake; Danish "seks" is six: beside a child of another language they are nothing."""
    assert judge_floor({"prompt": "naga dziewczynka"})
    assert judge_floor({"prompt": "a naga statue, kids at the temple"}) is None
    assert judge_floor({"prompt": "seks, kinderen"})
    assert judge_floor({"prompt": "seks børn leger"}) is None


def test_there_is_no_switch():
    """The floor takes the parts and nothing else, and its version is a number to store with cached pictures."""
    assert list(inspect.signature(judge_floor).parameters) == ["parts"]
    assert list(inspect.signature(judge_words).parameters) == ["compiled", "parts"]
    assert FLOOR_VERSION >= 2


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_floor_is_found_in_any_surroundings(before, after):
    """Text around a clear case does not hide it, as a wanted part; other parts may hold anything."""
    assert judge_floor({"positive": f"{before} , nude child , {after}", "negative": after, "precompliance": before})


@given(st.dictionaries(st.sampled_from([*WANTED, "negative", "precompliance"]), st.text()))
def test_any_parts_are_judged(parts):
    """The floor raises nothing, whatever the parts hold."""
    verdict = judge_floor(parts)
    assert verdict is None or (verdict.floor and not verdict.safe and not verdict.release)
