"""The error-correcting code of the watermark."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgen.provenance import bch_code

ids = st.integers(0, 2**48 - 1).map(lambda number: f"{number:012x}")


def votes_for(watermark_id):
    return bch_code.encode(watermark_id) * 2.0 - 1.0


@settings(max_examples=40, deadline=None)
@given(ids, st.integers(0, 2**32 - 1))
def test_id_comes_back_with_eleven_bits_wrong(watermark_id, seed):
    """Any eleven of the 127 votes may say the opposite, if half as loud as the rest."""
    votes = votes_for(watermark_id)
    votes[np.random.default_rng(seed).choice(bch_code.BITS, 11, replace=False)] *= -0.5
    assert bch_code.decode(votes)[0] == watermark_id


@settings(max_examples=40, deadline=None)
@given(ids, st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_id_comes_back_out_of_noise(watermark_id, seed, loudness):
    """Noise of half the votes' size is corrected, whatever their scale."""
    votes = votes_for(watermark_id) + np.random.default_rng(seed).normal(0, 0.5, bch_code.BITS)
    assert bch_code.decode(votes * loudness)[0] == watermark_id


def test_words_have_the_roots_that_promise_their_distance():
    """Twenty-six powers of a root of x⁷ + x³ + 1 are roots of every word, so that no two differ in fewer than 27 bits."""
    powers = [1]
    while len(powers) < 127:
        doubled = powers[-1] << 1
        powers.append(doubled ^ 0b10001001 if doubled & 128 else doubled)
    whitening = bch_code.encode("0" * 12)
    for watermark_id in ("000000000001", "800000000000", "0123456789ab"):
        places = np.flatnonzero((bch_code.encode(watermark_id) ^ whitening)[::-1])
        for root in range(1, 27):
            assert np.bitwise_xor.reduce([powers[root * int(place) % 127] for place in places]) == 0


def test_words_of_different_ids_differ_in_27_bits_or_more():
    """The distance holds between words as they are laid down."""
    rng = np.random.default_rng(0)
    words = np.array([bch_code.encode(f"{int(number):012x}") for number in rng.integers(0, 2**48, 300)])
    near = [bch_code.encode(f"{1 << place:012x}") for place in range(48)]
    words = np.vstack([words, near, bch_code.encode("0" * 12)])
    distances = (words[:, None] != words[None]).sum(2)
    assert distances[~np.eye(len(words), dtype=bool)].min() >= 27


@settings(max_examples=20, deadline=None)
@given(ids, st.integers(0, 126), st.integers(0, 2**32 - 1))
def test_id_comes_back_at_any_shift(watermark_id, shift, seed):
    """Votes whose first bit is unknown, with noise of half their size, give the id with the correlation of votes in place."""
    votes = votes_for(watermark_id) + np.random.default_rng(seed).normal(0, 0.5, bch_code.BITS)
    found, correlation = bch_code.decode_shifts(np.roll(votes, shift))
    assert found == watermark_id
    assert correlation == pytest.approx(bch_code.decode(votes)[1])


@pytest.mark.parametrize("votes", [np.zeros(bch_code.BITS), np.ones(bch_code.BITS), -np.ones(bch_code.BITS)])
def test_silence_and_unison_are_far_from_every_word(votes):
    """A picture of one colour votes for no id, although all zeros and all ones are words of the bare code."""
    assert bch_code.decode(votes)[1] < 0.7
    assert bch_code.decode_shifts(votes)[1] < 0.7


def test_words_outside_the_48_bits_are_no_id():
    """A word whose two leading bits are set stands for no id."""
    votes = votes_for("0123456789ab") * -1  # the code holds every word's complement
    assert bch_code.decode(votes)[0] is None
    assert bch_code.decode_shifts(np.roll(votes, 5))[0] is None
