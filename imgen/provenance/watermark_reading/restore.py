"""Search in pictures that were resized whole: back to each size that pictures of this installation have, then read.

Mirrored pictures are read as well, also those that were not resized.
"""

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from imgen.domain.catalog import Size
from imgen.provenance import bch_code
from imgen.provenance.watermark_reading.acceptance import DecodedWatermark, Search, accept
from imgen.provenance.watermark_reading.planes import Plane, block_values, resized
from imgen.provenance.watermark_reading.votes import energy, phasors, votes

_MOST_SIZES = 4
RESTORED = Search(name="restored", share_log2=-33, vectors=2 * (_MOST_SIZES + 1))
"""The picture's own size mirrored, and others both ways."""

_ASPECT = 0.02
"""Difference of aspects up to which a picture may have been of a size, in natural logarithms."""

_LEAST_SCALE, _MOST_SCALE = 0.45, 4.5
"""Scales of a picture beside the size to which it is restored; at a third nothing is left of the watermark."""

_OWN_ASPECT = (1024, 2048, 4096)
"""Long sides of enhanced pictures, whose aspect is their source's."""

_MOST_PIXELS = 1_100_000
"""Area that is read, a band of whole rows of blocks: twice as many votes prove no more, and take twice the time."""


class Candidate(Struct, frozen=True):
    """Size that a picture may have had, with what was read at it."""

    means: np.ndarray[tuple[int], np.dtype[np.complex128]]
    scale: float
    mirrored: bool


def search(plane: Plane, sizes: Sequence[Size], deadline: float) -> DecodedWatermark | None:
    """Reads a plane of U, (H, W), at the sizes that fit it.

    Args:
        plane: of the picture as it is.
        sizes: widths and heights that pictures of this installation have.
        deadline: of `time.monotonic`; no size is begun after it.
    """
    for candidate in sorted(_candidates(plane, sizes, deadline), key=lambda one: -energy(one.means)):
        found = accept(votes(candidate.means), RESTORED, mirrored=candidate.mirrored, scale=candidate.scale)
        if found:
            return found
    return None


def fitting(size: Size, sizes: Sequence[Size]) -> list[Size]:
    """Returns the sizes that a picture of this size may have had: nearest aspect first, then nearest area."""
    aspect, area = math.log(size[0] / size[1]), math.log(size[0] * size[1])

    def distance(other: Size) -> tuple[float, float]:
        # Sides are whole pixels: aspects within a pixel of each other are the same
        apart = abs(math.log(other[0] / other[1]) - aspect)
        return round(apart * min(size) / 2), abs(math.log(other[0] * other[1]) - area)

    alike = [other for other in sizes if abs(math.log(other[0] / other[1]) - aspect) <= _ASPECT]
    own = [_of_long_side(size, long_side) for long_side in _OWN_ASPECT]
    every = dict.fromkeys([*sorted(alike, key=distance), *own])
    fit = [other for other in every if other != size and _LEAST_SCALE <= size[0] / other[0] <= _MOST_SCALE]
    return fit[:_MOST_SIZES]


def _of_long_side(size: Size, long_side: int) -> Size:
    """Returns the size of this long side that has the aspect of another size."""
    scale = long_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _candidates(plane: Plane, sizes: Sequence[Size], deadline: float) -> Iterator[Candidate]:
    height, width = plane.shape
    yield from _both_ways(plane[: _band(width, height)], width, 1.0, ways=(True,))
    for size in fitting((width, height), sizes):
        if time.monotonic() >= deadline:
            return
        rows = _band(*size)
        part = resized(plane, (size[0], rows), (0, 0, width, height * rows / size[1]))
        yield from _both_ways(part, size[0], width / size[0], ways=(False, True))


def _band(width: int, height: int) -> int:
    """Returns the height of the part that is read."""
    return min(height, max(8, _MOST_PIXELS // width // 8 * 8))


def _both_ways(plane: Plane, width: int, scale: float, *, ways: tuple[bool, ...]) -> Iterator[Candidate]:
    for mirrored in ways:
        # Blocks begin at the left edge of the picture that was marked, which is the right one of a mirrored picture
        values = block_values(plane[:, width % 8 :])[:, ::-1] if mirrored else block_values(plane)
        if values.size >= bch_code.BITS:
            bit = np.arange(values.size) % bch_code.BITS
            yield Candidate(phasors(values.ravel(), bit), scale, mirrored)
