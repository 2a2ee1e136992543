"""Strength of the mark: pictures that would lose the ordinary one have blocks that move farther, for as little as is needed.

Where U is flat, as in grey pictures and in drawings, all blocks of a bit move alike, by a level or two, and JPEG rounds most of
that to nothing. So a few of the flat blocks move to the farther value of their bit: enough to survive the rounding, and being
scattered they carry their neighbours, as dither does. Grey pictures and mostly flat ones have that always. Whether another would
lose the mark is read from a part of it, compressed harder than the mark has to bear.
"""

import numpy as np
from numpy.typing import NDArray

from imgen.provenance import bch_code, encoding
from imgen.provenance.watermark_embedding.moves import Blocks, energy, moved_far, put, take
from imgen.provenance.watermark_reading.acceptance import known_chance
from imgen.provenance.watermark_reading.planes import block_values, u_plane
from imgen.provenance.watermark_reading.votes import phasors, votes

_GREY_BAND = 2.0
"""Distance of a grey block's Haar band from the picture's most common value: one level of U."""
_GREY_SHARE = 0.5
"""Least share of grey blocks in a grey picture. Of 15 pictures the colour ones have 0.27 at most, their grey copies 1."""
_FLAT_BAND = 2.0
"""Range of a flat block's Haar band: one level of U."""

_LEAST_FLAT_SHARE = 0.02
"""Share of flat blocks under which the stronger variant has nothing to add."""

_MOSTLY_FLAT_SHARE = 0.5
"""Share of flat blocks from which on the trial is left out: of 17 such pictures 16 would lose the mark."""

_TRIAL_QUALITY = 50
_TRIAL_PIXELS = 200_000
"""Area of the part that is compressed and read: 4 ms."""
_TRIAL_CHANCE = -75.0
"""Base-2 logarithm of the greatest chance of the part's votes at which a picture keeps the ordinary mark: of 78 pictures, those
that × 0.75 and JPEG 75 took the mark from lay above, and three quarters of the photographs below."""

_FAR_SHARE = 0.15
"""Share of the grey or flat blocks that move far, or less where they would make too much noise. 0.3 does not survive halving."""
_FITTED = 0.93
"""Part of the share that would make just as much noise as may be."""
_SURE = 0.8
"""Part of the room for noise under which the noise that was made is not measured."""
ROUNDING = 0.06
"""Mean square error of rounding."""

_MOST_NOISE, _MOST_NOISE_GREY = 255**2 / 10**4.2, 255**2 / 10**4
"""Greatest mean square error of the stronger variant: 42 dB, and 40 dB where nothing but grey shows it."""

_AT_ONCE = 1 << 16
"""Values that are compared at once: they stay in the processor's cache."""


def strengthen_if_needed(
    marked: NDArray[np.uint8], pixels: NDArray[np.uint8], blocks: Blocks, watermark_id: str
) -> None:
    """Moves a few blocks of a marked picture (H, W, 3) farther, in place, if it would lose the ordinary mark.

    Args:
        marked: the picture with the ordinary mark.
        pixels: the same before it was marked.
        blocks: its blocks.
        watermark_id: 12 lowercase hex digits.
    """
    few, most_noise = _grey(blocks.low_band), _MOST_NOISE_GREY
    if few.mean() < _GREY_SHARE:
        few, most_noise = np.ptp(blocks.low_band, axis=(0, 1)) <= _FLAT_BAND, _MOST_NOISE
        flat_share = few.mean()
        if flat_share < _LEAST_FLAT_SHARE or (flat_share < _MOSTLY_FLAT_SHARE and _lasts(marked, watermark_id)):
            return
    least = energy(blocks.near, blocks.means)
    added = energy(blocks.far, blocks.means) - least
    values = 3 * 64 * few.size
    room = (most_noise - ROUNDING) * values - float(least.sum())
    share = min(_FAR_SHARE, _FITTED * room / max(float(added[few].sum()), 1.0))
    chosen = np.flatnonzero(few & (np.random.default_rng(int(watermark_id, 16)).random(few.size) < share))
    ordinary = take(marked, chosen)
    put(marked, chosen, moved_far(pixels, blocks, chosen))
    is_sure = float(added[chosen].sum()) <= _SURE * room
    if not is_sure and noise_of(pixels, marked) > most_noise:
        put(marked, chosen, ordinary)


def noise_of(pixels: NDArray[np.uint8], marked: NDArray[np.uint8]) -> float:
    """Computes the mean square error of a marked picture (H, W, 3)."""
    before, after, total = pixels.reshape(-1), marked.reshape(-1), 0.0
    for start in range(0, before.size, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        difference = (
            np.subtract(after[part], before[part]).view(np.int8).astype(np.float32)
        )  # none is 128 levels or more
        total += float(difference @ difference)
    return total / before.size


def _lasts(marked: NDArray[np.uint8], watermark_id: str) -> bool:
    """Returns whether a marked picture (H, W, 3) will keep the mark when it is made smaller and compressed."""
    height, width = marked.shape[:2]
    # As high as the blocks of a JPEG with half the colour: each strip is compressed by itself
    strips = np.arange(height // 16)
    apart = max(1, round(height * width / _TRIAL_PIXELS))
    strips = strips[min(apart // 2, strips.size - 1) :: apart]
    columns = np.arange(width // 8)
    bit = ((strips[:, None] * 2 + np.arange(2)).ravel()[:, None] * columns.size + columns).ravel() % bch_code.BITS
    part = marked[(strips[:, None] * 16 + np.arange(16)).ravel()]
    read = encoding.decode(encoding.encode(part, "jpeg", quality=_TRIAL_QUALITY))
    line = votes(phasors(block_values(u_plane(read)).ravel(), bit))
    return known_chance(line, watermark_id) <= _TRIAL_CHANCE


def _grey(low_band: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns the blocks (N,) of a band (4, 4, N) in which U is the picture's most common level throughout."""
    common = np.bincount(np.rint(low_band.mean((0, 1))).astype(np.intp)).argmax()
    above, below = low_band.max((0, 1)) - common, common - low_band.min((0, 1))
    return np.asarray(np.maximum(above, below) <= _GREY_BAND)
