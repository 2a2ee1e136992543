"""Meaning of `(term:1.2)`, on paper."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.diffusers.prompt_weights import HIGHEST, LOWEST, parse


def groups(prompt):
    """The prompt as (text, weight) runs."""
    weighted = parse(prompt)
    runs = []
    for character, weight in zip(weighted.text, weighted.weights.tolist(), strict=True):
        if runs and runs[-1][1] == pytest.approx(weight):
            runs[-1][0] += character
        else:
            runs.append([character, weight])
    return [(text, pytest.approx(weight)) for text, weight in runs]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", []),
        ("a red coat", [("a red coat", 1)]),
        ("a (red:1.2) coat", [("a ", 1), ("red", 1.2), (" coat", 1)]),
        ("(red coat: 1.2 )", [("red coat", 1.2)]),
        ("(red:.5)", [("red", 0.5)]),
        ("(red:2)", [("red", 2)]),
        ("((red:1.5) coat:1.2)", [("red", 1.8), (" coat", 1.2)]),
        ("(a, (b:2), c:0.5)", [("a, ", 0.5), ("b", 1), (", c", 0.5)]),
        ("(red:9)", [("red", 3)]),
        ("((red:3):3)", [("red", 3)]),
        ("(red:-1)", [("red", 0)]),
        ("(red:0)", [("red", 0)]),
        ("(:1.2)", []),
        # Text as it is.
        ("a (red) coat", [("a (red) coat", 1)]),
        ("a (red:) coat", [("a (red:) coat", 1)]),
        ("a (red:big) coat", [("a (red:big) coat", 1)]),
        ("red:1.2", [("red:1.2", 1)]),
        ("(red:1.2", [("(red:1.2", 1)]),
        ("red:1.2)", [("red:1.2)", 1)]),
        (":) and (:", [(":) and (:", 1)]),
        (r"\(red:1.2\)", [("(red:1.2)", 1)]),
        (r"(red \(dark\):1.2)", [("red (dark)", 1.2)]),
        (r"a\b and \\ and \ ", [(r"a\b and \\ and \ ", 1)]),
        ("end\\", [("end\\", 1)]),
        ("(x:(1:1.2))", [("(x:", 1), ("1", 1.2), (")", 1)]),
        ("(red:1:2)", [("red:1", 2)]),
        ("(red:1e9)", [("(red:1e9)", 1)]),
        ('(red++:1.1) and.blend() "swap"', [("red++", 1.1), (' and.blend() "swap"', 1)]),
        ("(épée:1.2) 剣", [("épée", 1.2), (" 剣", 1)]),
    ],
)
def test_parse(prompt, expected):
    """Groups with a number weigh their words, nest and multiply within bounds; all else is text."""
    assert groups(prompt) == expected


@given(st.text(alphabet=r"ab ,:.()\12-", max_size=60))
def test_any_text(prompt):
    """No text breaks it: every character has a finite weight in range, and text without groups stays as it is."""
    weighted = parse(prompt)
    assert len(weighted.text) == len(weighted.weights)
    assert all(LOWEST <= weight <= HIGHEST for weight in weighted.weights.tolist())
    if not set(prompt) & set("()\\"):
        assert weighted.text == prompt
        assert weighted.plain


@pytest.mark.parametrize(
    "prompt", ["(" * 12_000, "(a:1.1)" * 1_700, "(" * 1_500 + "a" + ":1.1)" * 1_500, "(:" * 6_000 + "1)" * 6_000]
)
def test_hostile_text_is_quick(prompt):
    """Deep and long nesting takes time in proportion to its length."""
    started = time.process_time()
    parse(prompt)
    assert time.process_time() - started < 1


def test_cut():
    """A piece of a prompt keeps its characters' weights."""
    piece = parse("a (red:1.5) coat").cut(1, 4)
    assert (piece.text, piece.weights.tolist()) == (" re", [1, 1.5, 1.5])
