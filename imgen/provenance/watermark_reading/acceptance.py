"""Acceptance of codewords: the chance that an unmarked picture's votes lie as near to one, and the limit of each search.

The searches of one inspection decode many vectors of votes. Each search has a share of the false accepts that are allowed
for a picture, and divides it among its vectors.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

FALSE_ACCEPTS = 1e-9
"""Unmarked pictures of which one is read as marked, at most, by all searches of an inspection together."""

_ID_BITS = 48


class Search(Struct, frozen=True, kw_only=True):
    """Search for the watermark, as far as its false accepts go."""

    share_log2: int
    """Base-2 logarithm of the share of FALSE_ACCEPTS that it may use."""
    vectors: int
    """Vectors of votes that it decodes, at most; one that is decoded at 127 shifts counts as 127."""

    def accepts(self, log2_chance: float) -> bool:
        """Returns whether a word of this chance is taken for a watermark."""
        return self._false_accepts_log2(log2_chance) <= self.share_log2

    def false_accepts(self, log2_chance: float) -> float:
        """Returns the bound on the unmarked pictures in which this search finds a word of this chance, 0–1."""
        return float(2.0 ** min(0.0, self._false_accepts_log2(log2_chance)))

    def _false_accepts_log2(self, log2_chance: float) -> float:
        return _ID_BITS + math.log2(self.vectors) + log2_chance


EXACT = Search(share_log2=-31, vectors=1)
"""The picture as it is, which its publication reads as well. If all votes are equally loud, 9 of 127 may be wrong."""


def log2_chance(votes: NDArray[np.float64], correlation: float) -> float:
    """Computes the base-2 logarithm of a bound on the chance that a random word correlates as well with these votes.

    Chernoff's bound for the sum of votes under random signs, given how loud each vote is: −127 where all agree, 0 for none.

    Args:
        votes: (127,), of any scale.
        correlation: of the votes with the word, 0–1.
    """
    loudness = np.abs(votes)
    mean = float(loudness.mean())
    if not mean:
        return 0.0
    loudness = loudness / mean
    total = correlation * float(np.linalg.norm(loudness)) * math.sqrt(votes.size)
    low, high = 0.0, 64.0  # any tilt gives a bound; at 64 all but the faintest votes count as certain
    for _ in range(40):
        tilt = (low + high) / 2
        if loudness @ np.tanh(tilt * loudness) < total:
            low = tilt
        else:
            high = tilt
    log_cosh = low * loudness + np.log1p(np.exp(-2 * low * loudness)) - math.log(2)
    return min(0.0, (float(log_cosh.sum()) - low * total) / math.log(2))
