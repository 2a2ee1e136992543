"""The embedded enhancer."""

import string

import pytest
from factories import judge_words
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.embedded_enhancer import MAX_CHARS, expand

HINTS = "low sun, long shadows, depth, strong silhouette"
WORDS = st.sampled_from(
    ["red", "coat", "woman", "dusk", "beach", "cat", "light", "calm", "portrait", "detail", "robot", "in"]
)
TERMS = st.lists(
    st.one_of(WORDS, st.text(string.ascii_letters + " é1赤", min_size=1, max_size=30)), min_size=1, max_size=8
)


def test_missing_aspects_are_added(words):
    """A bare prompt gets a place, a light, a mood, a composition and a detail, one of each."""
    added = expand(("red coat",), "", words)[1:]
    for phrases in (words.places, words.lights, words.moods, words.compositions, words.details):
        assert sum(term in phrases for term in added) == 1


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("woman, warm lighting", "lights"),
        ("woman at dusk", "lights"),
        ("woman on a beach", "places"),
        ("a mountain lake", "places"),
        ("woman, serene", "moods"),
        ("close-up of a woman", "compositions"),
        ("woman, highly detailed", "details"),
    ],
)
def test_what_is_said_is_not_contradicted(said, name, words):
    """An aspect the prompt speaks of gets nothing from its list."""
    added = expand((said,), HINTS, words)[1:]
    assert added
    assert not set(added) & set(getattr(words, name))


def test_hints_come_before_lists_and_give_way_to_the_prompt(words):
    """A style's hint is added, unless the prompt speaks of that already."""
    assert "low sun" in expand(("red coat",), HINTS, words)
    assert "low sun" not in expand(("red coat at noon",), HINTS, words)


def test_a_place_is_given_to_people_not_to_landscapes(words):
    """Without somebody or something that can be anywhere no place is added."""
    assert not set(expand(("Grand Canyon",), "", words)) & set(words.places)
    assert set(expand(("a robot",), "", words)) & set(words.places)


@pytest.mark.parametrize("prompt", ["赤いコート", "красное пальто"])
def test_other_scripts_are_left_alone(prompt, words):
    """A prompt that the lists cannot read comes back as it was."""
    assert expand((prompt,), HINTS, words) == (prompt,)


def test_nothing_to_improve_gives_the_same_prompt(words):
    """A prompt that says everything comes back unchanged."""
    full = ("woman on a beach", "warm lighting", "calm mood", "wide shot", "fine detail")
    assert expand(full, "", words) == full


def test_a_long_prompt_is_left_alone(words):
    """Nothing is added behind what the text encoder reads."""
    long = ("red coat " * 40,)
    assert expand(long, HINTS, words) == long


def test_other_prompts_get_other_words(words):
    """The choice depends on the prompt."""
    assert len({expand((f"red coat number {n}",), "", words)[1:] for n in range(20)}) > 15


@given(TERMS.map(tuple), st.sampled_from(["", HINTS, "a,,b, a", "clear subject, even light"]))
def test_expanding_twice_changes_nothing_more(words, terms, hints):
    """The terms stay first and untouched, the result is bounded, free of repeats, and a fixed point."""
    once = expand(terms, hints, words)
    assert once[: len(terms)] == terms
    added = once[len(terms) :]
    assert len(set(added)) == len(added)
    assert not added or len(", ".join(once)) <= MAX_CHARS
    assert expand(once, hints, words) == once == expand(terms, hints, words)


def test_what_is_added_is_safe(words, rulesets):
    """An expanded harmless prompt is harmless under the strictest ruleset."""
    for n in range(50):
        prompt = ", ".join(expand((f"woman {n}", "red coat"), HINTS, words))
        assert judge_words(rulesets["strict"], {"prompt": prompt}).safe
