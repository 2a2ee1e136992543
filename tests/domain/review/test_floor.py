"""The floor's logic; its words are tested by labelled_prompts.toml."""

import inspect
import itertools

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


def test_there_is_no_switch():
    """The floor takes the parts and nothing else, and its version is a number to store with cached pictures."""
    assert list(inspect.signature(judge_floor).parameters) == ["parts"]
    assert list(inspect.signature(judge_words).parameters) == ["compiled", "parts"]
    assert FLOOR_VERSION >= 1


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_floor_is_found_in_any_surroundings(before, after):
    """Text around a clear case does not hide it, as a wanted part; other parts may hold anything."""
    assert judge_floor({"positive": f"{before} , nude child , {after}", "negative": after, "precompliance": before})


@given(st.dictionaries(st.sampled_from([*WANTED, "negative", "precompliance"]), st.text()))
def test_any_parts_are_judged(parts):
    """The floor raises nothing, whatever the parts hold."""
    verdict = judge_floor(parts)
    assert verdict is None or (verdict.floor and not verdict.safe and not verdict.release)
