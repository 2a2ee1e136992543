"""The lexical guard with the words that ship."""

import time
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.lexical_guard import GuardWords, conflicts, parse_text

CONFIG = Path(__file__).parents[2] / "config" / "cache.toml"
GUARD = msgspec.convert(tomllib.loads(CONFIG.read_text("utf-8")), GuardWords)


def differ(one, other, guard=GUARD):
    return conflicts(parse_text(one, guard), parse_text(other, guard), guard)


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
        ("a lamp above a bed", "a lamp below a bed"),
        ("a cat on a table", "a cat under a table"),
        ("a bird inside a cage", "a bird outside a cage"),
        ("walking to a house", "walking from a house"),
        ("looking up", "looking down"),
        ("a smoking area", "a non-smoking area"),
        ("a fish eating", "a fish eaten by"),
        ("the north face", "the south face"),
        ("a flower", "flowers"),
        ("a bearded man", "a beardless man"),
        ("a waiter", "a waitress"),
    ],
)
def test_similar_texts_of_another_meaning(one, other):
    """Negations, numbers, contraries, swapped attributes and swapped roles are told apart, either way round."""
    assert differ(one, other)
    assert differ(other, one)


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
    assert not differ(one, other)
    assert not differ(other, one)


@given(WORDS, WORDS)
def test_it_is_symmetric_and_equal_texts_agree(one, other):
    """Neither depends on which prompt was there first."""
    assert differ(one, other) == differ(other, one)
    assert not differ(one, one)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_looked_at(one, other):
    """No text breaks it."""
    assert differ(one, other) in (True, False)


def test_long_texts_take_no_time():
    """Two prompts of the longest kind, which differ in nothing but their order, in far less than a poll may wait."""
    one, other = f"{'red ' * 250}zz yy", f"yy zz {'red ' * 250}"
    many = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)} red" for n in range(90))
    started = time.process_time()
    for _ in range(20):
        differ(one, other)
        differ(many, f"{many} red")
    assert time.process_time() - started < 3


def test_without_words_it_only_compares_what_is_there():
    """An empty list of words leaves digits and the order of words."""
    assert not differ("with a hat", "without a hat", GuardWords())
    assert differ("2 hats", "3 hats", GuardWords())


def test_words_that_no_text_can_hold_are_named():
    """A word that folding would change never matches, so a list may not hold it; the shipped ones do not."""
    assert GUARD.unfolded() == []
    assert GuardWords(negations={"ne-pas"}, groups={"age": {"Old", "young"}}).unfolded() == ["Old", "ne-pas"]
