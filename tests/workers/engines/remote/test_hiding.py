"""Texts of servers, without the prompts and keys that they repeat."""

import json

import pytest

from workers.engines.remote.hiding import LEAST_SHARED, without

PROMPT = "A red coat, naïve girl at the harbour; 夕暮れの港に立つ赤いコートの女性"
ONCE = json.dumps({"prompt": PROMPT})


@pytest.mark.parametrize(
    "text",
    [
        PROMPT,
        PROMPT.upper(),
        ONCE,
        json.dumps({"body": ONCE}),
        json.dumps({"body": ONCE})[:90],
        PROMPT[:25] + "...",
        PROMPT[-5:],
        repr(PROMPT),
        "A%20red%20coat%2C%20na%C3%AFve+girl",
        "A red coat, na&iuml;ve &#103;irl at the harbour",
        "A red\n  coat, naïve\tgirl",
        "a-red-coat-naive".replace("naive", "naïve"),
        "\\ud800 A red coat, naïve girl",
    ],
)
def test_a_prompt_is_left_out_however_it_is_repeated(text):
    """Whole or cut, with other spaces, another case or escapes: nothing is left that would tell it."""
    left = without(f"rejected: {text}", [PROMPT])
    assert left.startswith("rejected: ")
    assert "…" in left
    words = {word for word in ("red", "coat", "girl", "harbour", "naïve", "港", "女性") if word in left.casefold()}
    assert not words


@pytest.mark.parametrize("text", ["the word 'harbour' is not allowed", "the word “harbour” is not allowed"])
def test_a_quoted_word_of_the_prompt_is_left_out(text):
    """Servers name the word that they refuse."""
    assert without(text, [PROMPT]).replace("…", "") == text.replace("harbour", "")


def test_a_short_prompt_is_left_out_as_a_word():
    """Not as a part of others."""
    assert without("A hat: that hat, cocked-hat; chat", ["hat"]) == "A …: that …, cocked-…; chat"
    assert without("no red, hat here", ["Red hat"]) == "no … here"


@pytest.mark.parametrize("cut", [len("sk-remote-0123456789"), 15])
def test_a_key_is_left_out_even_where_it_is_cut(cut):
    """As providers cut it in their errors."""
    assert without(f"Incorrect API key: {'sk-remote-0123456789'[:cut]}****", ["sk-remote-0123456789"]) == (
        "Incorrect API key: …****"
    )


def test_words_of_the_servers_own_stay():
    """Also such as the prompt has, but for long ones."""
    text = "model gpt-image-2 takes no size 320x256 at the moment"
    assert without(text, ["a model of a size, at the sea", ""]) == text
    shared = "x" * (LEAST_SHARED - 1)
    assert without(f"{shared} of it", [f"{shared}y"]) == f"{shared} of it"
