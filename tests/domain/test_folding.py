"""Folding: one spelling for a word's disguises, whole words only."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.folding import compile_terms, fold, readings

DISGUISES = [
    "needle", "NEEDLE", "n e e d l e", "n.e.e.d.l.e", "n-e-e-d-l-e", "n_e_e_d_l_e", "need-le", "nee.dle", "n33dl3", "néédlé",
    "nееdlе", "nee\u200bdle", "nee\u00addle", "ｎｅｅｄｌｅ", "𝓷𝓮𝓮𝓭𝓵𝓮", "neeeeedle", "needleeee", "a n e e d l e", "(needle:1.3)",
    "needle!", "x\u200bneedle", "ne3dl3", "n\u0336e\u0336e\u0336d\u0336l\u0336e\u0336", "need1e", "n e e d l e b a g",
]  # fmt: skip


@pytest.mark.parametrize("text", DISGUISES, ids=ascii)
def test_disguises_are_undone(text):
    """A term is found in some reading of each of its disguises."""
    pattern = compile_terms(["needle"])
    assert any(pattern.search(reading) for reading in readings(text))


@pytest.mark.parametrize("text", ["needles", "needlework", "a needless word", "kneedle", "nee dle", "wood, ne, edle"])
def test_other_words_are_left_alone(text):
    """A term is found in whole words only; words cut in two by spaces are not glued together."""
    pattern = compile_terms(["needle"])
    assert not any(pattern.search(reading) for reading in readings(text))


@pytest.mark.parametrize(
    ("term", "hit", "miss"),
    [
        ("undress*", "undressing", "dress"),
        ("blue bird", "a blue-bird", "blue or bird"),
        ("blue bird", "bluebirds? bluebird!", "bluebirds"),
        ("裸", "全裸体", "体"),
        ("エロ", "エロ 画像", "カエロン"),
        ("Säugling", "SAUGLING", "saug"),
        ("голый", "ГОЛЫЙ", "голышом"),
        ("누드", "누드화", "누가"),
    ],
)
def test_terms_match_as_their_language_is_written(term, hit, miss):
    """Spaced scripts match words, an ending where a star allows it; unspaced ones anywhere, katakana as a run."""
    pattern = compile_terms([term])
    assert pattern.search(fold(hit))
    assert not pattern.search(fold(miss))


def test_numbers_stay_numbers():
    """Digits are letters only inside words, so ages can be read from the first reading."""
    assert readings("12 34")[0] == " 12 34 "
    assert all(" 12 34 " in reading for reading in readings("12 34 n3t"))


def test_no_terms_match_nothing():
    """An empty list finds nothing, and a term without letters is refused."""
    assert not compile_terms([]).search(" a ")
    with pytest.raises(ValueError, match="holds no letter"):
        compile_terms(["*"])


@given(st.text())
def test_any_text_is_folded(text):
    """Readings are lower-case words between single spaces, at most ten of them, the plain one first."""
    found = readings(text)
    assert 1 <= len(found) <= 10
    for reading in found:
        assert reading == f" {' '.join(reading.split())} "
        assert reading == reading.casefold() or not reading.isascii()


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_folding_is_idempotent_on_words(text):
    """Folded text folds to itself, apart from letters that Unicode composes anew."""
    once = fold(text)
    assert fold(fold(once)) == fold(once)


@pytest.mark.parametrize(
    "piece", ["a", "a ", "n.u.", "1aaa! ", "\u0591\u05b0", "a\u200b1aaa ", "-" * 7, "(x:1.2)", "\u0301", "ab1$ "]
)
def test_folding_takes_linear_time(piece):
    """100,000 characters of the worst kind are folded within two seconds on a slow core."""
    text = (piece * 100_000)[:100_000]
    started = time.process_time()
    readings(text)
    assert time.process_time() - started < 2
