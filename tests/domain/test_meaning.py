"""The lexical guard with the words that ship."""

import time
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.meaning import Guard, mean_different_things

CONFIG = Path(__file__).parents[2] / "config" / "cache.toml"
GUARD = msgspec.convert(tomllib.loads(CONFIG.read_text("utf-8")), Guard)
WORDS = st.lists(
    st.sampled_from(["red", "blue", "coat", "hat", "without", "with", "a", "two", "cat", "dog", ",", "on", "chasing"]),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a woman with a hat", "a woman without a hat"),
        ("no people, beach", "people, beach"),
        ("a cup without a spoon and a plate", "a plate without a spoon and a cup"),
        ("mann mit hut", "mann ohne hut"),
        ("une femme avec chapeau", "une femme sans chapeau"),
        ("red coat, blue hat", "blue coat, red hat"),
        ("a woman in a red coat and a blue hat", "a woman in a blue coat and a red hat"),
        ("white horse, black rider", "black horse, white rider"),
        ("happy dog and sad clown", "sad dog and happy clown"),
        ("lamp left, tree right", "tree left, lamp right"),
        ("red coat, red hat", "red coat, hat"),
        ("woman in a red dress", "woman in a blue dress"),
        ("two cats on a sofa", "three cats on a sofa"),
        ("2 cats", "3 cats"),
        ("room 101", "room 102"),
        ("portrait of a woman, long hair", "portrait of a man, long hair"),
        ("beach at night", "beach at noon"),
        ("a dog chasing a cat in a park", "a cat chasing a dog in a park"),
        ("a dog chasing a small cat", "a small cat chasing a dog"),
        ("a man riding a horse", "a horse riding a man"),
        ("cat on a dog", "dog on a cat"),
        ("a car in front of a house", "a house in front of a car"),
        ("cat, open window", "cat, closed window"),
    ],
)
def test_near_sentences_that_say_something_else(one, other):
    """Negations, numbers, contraries, swapped attributes and swapped roles are told apart, either way round."""
    assert mean_different_things(one, other, GUARD)
    assert mean_different_things(other, one, GUARD)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("red coat, on a beach", "red coat at the beach"),
        ("red coat, on a beach", "on a beach: Red Coat"),
        ("a lighthouse on a cliff at sunset", "at sunset, a lighthouse on a cliff"),
        ("a cozy cabin in the snow", "cozy cabin in snow"),
        ("car on a road", "automobile on a road"),
        ("a woman with no hat", "a woman without a hat"),
        ("red coat, blue hat", "blue hat, red coat"),
        ("red coat", "red jacket"),
        ("coat in red", "red coat"),
        ("a photo of a lighthouse", "photo of a lighthouse"),
        ("café, Paris", "CAFE in Paris"),
        ("", ""),
    ],
)
def test_the_same_in_other_words(one, other):
    """Order of terms, articles, case and synonyms change nothing that the guard could tell."""
    assert not mean_different_things(one, other, GUARD)
    assert not mean_different_things(other, one, GUARD)


@given(WORDS, WORDS)
def test_it_is_symmetric_and_equal_texts_agree(one, other):
    """Neither depends on which prompt was there first."""
    assert mean_different_things(one, other, GUARD) == mean_different_things(other, one, GUARD)
    assert not mean_different_things(one, one, GUARD)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_looked_at(one, other):
    """No text breaks it."""
    assert mean_different_things(one, other, GUARD) in (True, False)


def test_long_texts_take_no_time():
    """Two prompts of the longest kind in well under a second."""
    text = " ".join(f"word{number} red" for number in range(120))
    started = time.perf_counter()
    mean_different_things(text, text[::-1], GUARD)
    assert time.perf_counter() - started < 1


def test_without_words_it_only_compares_what_is_there():
    """An empty list of words leaves digits and the order of words."""
    assert not mean_different_things("with a hat", "without a hat", Guard())
    assert mean_different_things("2 hats", "3 hats", Guard())
