"""Acceptance of codewords: the chance that an unmarked picture's votes lie as near to one, and the limit of each search.

The searches of one inspection decode many vectors of votes. Each search has a share of the false accepts that are allowed
for a picture, and divides it among its vectors.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgen.provenance import bch_code

FALSE_ACCEPTS = 1e-9
"""Unmarked pictures of which one is read as marked, at most, by all searches of an inspection together."""

_ID_BITS = 48


class Search(Struct, frozen=True, kw_only=True):
    """Search for the watermark, as far as its false accepts go."""

    name: str
    share_log2: int
    """Base-2 logarithm of the share of FALSE_ACCEPTS that it may use."""
    vectors: int
    """Vectors of votes that it decodes, at most; one that is decoded at 127 shifts counts as 127."""
    is_known: bool = False
    """Whether it compares votes with a known id's codeword, instead of finding the nearest of all."""

    def accepts(self, log2_chance: float) -> bool:
        """Returns whether a word of this chance is taken for a watermark."""
        return self._false_accepts_log2(log2_chance) <= self.share_log2

    def false_accepts(self, log2_chance: float) -> float:
        """Returns the bound on the unmarked pictures in which this search finds a word of this chance, 0–1."""
        return float(2.0 ** min(0.0, self._false_accepts_log2(log2_chance)))

    def _false_accepts_log2(self, log2_chance: float) -> float:
        return (0 if self.is_known else _ID_BITS) + math.log2(self.vectors) + log2_chance


EXACT = Search(name="exact", share_log2=-31, vectors=1)
"""The picture as it is, which its publication reads as well. If all votes are equally loud, 9 of 127 may be wrong."""


class Crop(Struct, frozen=True, kw_only=True):
    """Place of the grid of blocks in a picture that was cut."""

    x: int
    """Pixels from the left edge of the picture, at the scale at which it was marked, to the first whole block, modulo 8."""
    y: int
    """Likewise from the upper edge."""
    columns: int
    """Blocks in a row of the picture when it was marked, modulo 127."""


class DecodedWatermark(Struct, frozen=True, kw_only=True):
    """Watermark found in a picture, and how."""

    id: str | None
    """12 lowercase hex digits; None: no watermark of ours."""
    confidence: float
    """Correlation of the blocks' votes with the codeword, 0–1; 0 if none was found."""
    false_accepts: float = 1.0
    """Bound on the unmarked pictures in which the search would have found as good an id; 1 if none was found."""
    search: str = ""
    """Name of the search that found it; empty if none was found."""
    mirrored: bool = False
    scale: float = 1.0
    """Width of the picture, as part of what it was when it was marked, before cuts."""
    step: float = 1.0
    """Contrast of U, as part of what it was when it was marked."""
    crop: Crop | None = None
    """Place of the blocks; None: nothing was cut."""


NONE = DecodedWatermark(id=None, confidence=0.0)

Chances = list[tuple[Search, float]]
"""Searches, each with the base-2 logarithm of the chance of a word that it judged."""

_collected: ContextVar[Chances | None] = ContextVar("collected", default=None)


@contextlib.contextmanager
def collect_chances() -> Iterator[Chances]:
    """Collects the chances of all words that are judged within the block, accepted or not: for measurements."""
    chances: Chances = []
    token = _collected.set(chances)
    try:
        yield chances
    finally:
        _collected.reset(token)


def accept(
    votes: NDArray[np.float64],
    search: Search,
    *,
    any_shift: bool = False,
    mirrored: bool = False,
    scale: float = 1.0,
    step: float = 1.0,
    crop: Crop | None = None,
) -> DecodedWatermark | None:
    """Decodes votes (127,); returns the watermark, or None where a search finds none that good by chance too often.

    Args:
        votes: positive for a one, of any scale.
        search: the search that they come from.
        any_shift: whether the first bit may be any of the 127.
        mirrored: how the picture was changed, for the answer.
        scale: likewise.
        step: likewise.
        crop: likewise.
    """
    watermark_id, correlation = bch_code.decode_shifts(votes) if any_shift else bch_code.decode(votes)
    chance = log2_chance(votes, correlation)
    collected = _collected.get()
    if collected is not None:
        collected.append((search, chance))
    if watermark_id is None or not search.accepts(chance):
        return None
    return DecodedWatermark(
        id=watermark_id,
        confidence=round(correlation, 4),
        false_accepts=search.false_accepts(chance),
        search=search.name,
        mirrored=mirrored,
        scale=round(scale, 4),
        step=round(step, 3),
        crop=crop,
    )


def confirm(
    votes: NDArray[np.float64], watermark_id: str, search: Search, *, scale: float = 1.0, crop: Crop | None = None
) -> DecodedWatermark | None:
    """Compares votes (127,), of any scale, with the codeword of a known id; None where they agree no better than by chance."""
    correlation = _correlation(votes, watermark_id)
    chance = known_chance(votes, watermark_id)
    if not search.accepts(chance):
        return None
    return DecodedWatermark(
        id=watermark_id,
        confidence=round(correlation, 4),
        false_accepts=search.false_accepts(chance),
        search=search.name,
        scale=round(scale, 4),
        crop=crop,
    )


def known_chance(votes: NDArray[np.float64], watermark_id: str) -> float:
    """Computes `log2_chance` of votes (127,) for the codeword of a known id; 0 where they speak against it."""
    correlation = _correlation(votes, watermark_id)
    return log2_chance(votes, correlation) if correlation > 0 else 0.0


def _correlation(votes: NDArray[np.float64], watermark_id: str) -> float:
    norm = float(np.linalg.norm(votes)) * math.sqrt(votes.size)
    return float(votes @ (2.0 * bch_code.encode(watermark_id) - 1)) / norm if norm else 0.0


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
