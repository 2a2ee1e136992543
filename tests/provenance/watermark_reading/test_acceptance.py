"""Acceptance of codewords by the chance that an unmarked picture has votes as near to one."""

import math
from itertools import accumulate

import numpy as np
import pytest

from imgen.provenance import bch_code
from imgen.provenance.watermark_reading.acceptance import EXACT, FALSE_ACCEPTS, Search, log2_chance


def exact_log2(wrong):
    """Chance that 127 random signs differ in so many places, or fewer."""
    return math.log2(list(accumulate(math.comb(127, bits) for bits in range(wrong + 1)))[-1]) - 127


@pytest.mark.parametrize("wrong", [0, 1, 5, 9, 20, 40])
def test_bound_is_never_under_the_chance_and_near_it(wrong):
    """Equally loud votes have an exact chance: the bound lies above it, by less than 5 bits."""
    votes = np.ones(bch_code.BITS)
    bound = log2_chance(votes, 1 - 2 * wrong / 127)
    assert exact_log2(wrong) <= bound + 1e-6
    assert bound - exact_log2(wrong) < 5


def test_bound_holds_for_votes_of_any_loudness():
    """Random signs reach a correlation no more often than the bound says."""
    rng = np.random.default_rng(0)
    votes = rng.standard_normal(bch_code.BITS)
    sums = rng.choice([-1.0, 1.0], (20_000, bch_code.BITS)) @ votes
    correlations = sums / np.linalg.norm(votes) / math.sqrt(bch_code.BITS)
    for correlation in (0.1, 0.2, 0.25):
        assert np.mean(correlations >= correlation) <= 2 ** log2_chance(votes, correlation)


def test_scale_of_votes_does_not_matter_and_silence_proves_nothing():
    """Votes a million times as loud have the same chance, and none at all have the chance 1."""
    votes = np.random.default_rng(1).standard_normal(bch_code.BITS)
    assert log2_chance(votes * 1e6, 0.8) == pytest.approx(log2_chance(votes, 0.8))
    assert log2_chance(np.zeros(bch_code.BITS), 0.0) == 0


def test_nine_of_127_equally_loud_bits_may_be_wrong():
    """The exact read takes a word with nine wrong bits and none with ten."""
    votes = np.ones(bch_code.BITS)
    assert EXACT.accepts(log2_chance(votes, 1 - 2 * 9 / 127))
    assert not EXACT.accepts(log2_chance(votes, 1 - 2 * 10 / 127))


def test_more_decoded_vectors_ask_for_a_better_word():
    """A search of 128 times as many vectors asks for seven more bits, and tells 128 times as many false accepts."""
    one, many = Search(name="one", share_log2=-31, vectors=1), Search(name="one", share_log2=-31, vectors=128)
    assert one.accepts(-79)
    assert not many.accepts(-85.9)
    assert many.accepts(-86)
    assert many.false_accepts(-90) == pytest.approx(128 * one.false_accepts(-90))
    assert many.false_accepts(-10) == 1


def test_chance_words_are_not_accepted():
    """Random votes, loud or faint, are far from what any search accepts, at any of the 127 shifts."""
    rng = np.random.default_rng(0)
    for votes in (rng.normal(size=(40, bch_code.BITS)), rng.choice([-1.0, 1.0], (40, bch_code.BITS))):
        assert min(log2_chance(one, bch_code.decode(one)[1]) for one in votes) > -70
        assert min(log2_chance(one, bch_code.decode_shifts(one)[1]) for one in votes) > -70


def test_exact_read_stays_within_the_budget():
    """Half of the false accepts are left for the other searches."""
    assert 2.0**EXACT.share_log2 <= FALSE_ACCEPTS / 2
