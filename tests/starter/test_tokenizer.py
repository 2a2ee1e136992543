"""Tokens of the starter: caption words whole, everything else spelled."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starter.tokenizer import WINDOW, tokenizer
from starter.vocabulary import byte_pairs


@pytest.fixture(scope="module")
def words():
    return tokenizer()


def test_words_are_whole(words):
    """Caption words are one token each; other words are spelled."""
    assert len(words("red coat beach", add_special_tokens=False)["input_ids"]) == 3
    assert len(words("marmalade", add_special_tokens=False)["input_ids"]) > 1
    assert words.model_max_length == WINDOW


@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_is_spelled(words, text):
    """Every text has tokens, between one mark at its start and one at its end, and none is unknown."""
    ids = words(text)["input_ids"]
    assert ids[0] == words.bos_token_id
    assert ids[-1] == words.eos_token_id
    assert words.eos_token_id not in ids[1:-1]


def test_byte_pairs():
    """The most frequent pair is joined first, ties go by the alphabet, and learning ends when all words are whole."""
    vocabulary, merges = byte_pairs("aba aba ab b", merges=100)
    assert merges == [("a", "b"), ("ab", "a</w>"), ("a", "b</w>")]
    assert vocabulary["<|endoftext|>"] == len(vocabulary) - 1
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
