"""Invisible watermark: embeds a 48-bit id in a picture's pixels and decodes it again.

The embedding is the `dwtDctSvd` method of invisible-watermark 0.2.0, so that package's own decoder reads the codeword:
the U plane, one level of Haar, its LL band in 4×4 blocks (8×8 pixels), and in each block the largest singular
value moved to a quarter (bit 0) or three quarters (bit 1) of a step of 36. Block n in raster order has bit n mod 127.
The package's DCT is orthonormal and leaves singular values alone, so none is computed here; moving the largest one is a
rank-one update, found for all blocks at once by power iteration.

The bits are a codeword of bch_code.py.

Pictures that would lose it have a stronger variant. Where U is flat, as in grey pictures and in drawings, all blocks of a bit
move alike, by a level or two, and JPEG rounds most of that to nothing. So a few of the flat blocks move to the farther value of
their bit: enough to survive the rounding, and being scattered they carry their neighbours, as dither does. Whether a picture
would lose the mark is read from a part of it, compressed harder than the mark has to bear.
"""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgen.domain import errors
from imgen.provenance import bch_code, encoding
from imgen.provenance.watermark_reading.acceptance import EXACT, NONE, DecodedWatermark, accept, known_chance
from imgen.provenance.watermark_reading.planes import U_OF_RGB, block_values, u_plane
from imgen.provenance.watermark_reading.votes import STEP, phasors, votes

_MIN_PIXELS = 256 * 256
"""Least area; the package refuses less. 1,024 blocks give each bit eight votes."""

_SHORT = 4.0
"""Distance before the middle of its half at which a move to the next period ends: less visible, still 5 from the border."""

_GREY_BAND = 2.0
"""Distance of a grey block's Haar band from the picture's most common value: one level of U."""
_GREY_SHARE = 0.5
"""Least share of grey blocks in a grey picture. Of 15 pictures the colour ones have 0.27 at most, their grey copies 1."""
_FLAT_BAND = 2.0
"""Range of a flat block's Haar band: one level of U."""

_LEAST_FLAT_SHARE = 0.02
"""Share of flat blocks under which the stronger variant has nothing to add."""

_MOSTLY_FLAT_SHARE = 0.5

_TRIAL_QUALITY = 50
_TRIAL_PIXELS = 200_000
"""Area of the part that is compressed and read: 5 ms."""
_TRIAL_CHANCE, _TRIAL_CHANCE_FLAT = -75.0, -90.0
"""Base-2 logarithms of the greatest chance of the part's votes at which a picture keeps the ordinary mark, and one that is mostly
flat: of 78 pictures, those that × 0.75 and JPEG 75 took the mark from lay above, and three quarters of the photographs below."""

_FAR_SHARE = 0.15
"""Share of the grey or flat blocks that move far, or less where they would make too much noise. 0.3 does not survive halving."""
_FITTED = 0.93
"""Part of the share that would make just as much noise as may be."""
_ROUNDING = 0.06
"""Mean square error of rounding."""

_MOST_NOISE, _MOST_NOISE_GREY = 255**2 / 10**4.2, 255**2 / 10**4
"""Greatest mean square error of the stronger variant: 42 dB, and 40 dB where nothing but grey shows it."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class _Blocks(NamedTuple):
    """Blocks of a picture, N of them."""

    left: NDArray[np.float32]
    """(4, N): vectors of the largest singular values."""
    right: NDArray[np.float32]
    """(4, N)."""
    means: NDArray[np.float32]
    """(3, N): of red, green and blue."""


def embed(pixels: NDArray[np.uint8], watermark_id: str) -> NDArray[np.uint8]:
    """Returns a copy with the watermark embedded.

    Args:
        pixels: (H, W, 3) uint8, sRGB; H × W at least 65,536 (256 × 256).
        watermark_id: 12 lowercase hex digits.

    Raises:
        errors.ModelError: the picture is too small to carry a watermark.
    """
    if is_too_small(pixels):
        raise errors.ModelError("The picture is too small for an invisible mark")
    low_band, means = _bands(pixels)
    largest, left, right = _singular(low_band)
    bits = np.resize(bch_code.encode(watermark_id), largest.size).astype(np.float32)
    phase = largest / np.float32(STEP) - (bits / 2 + 0.25)
    # To the nearest value that encodes the bit: −18 … 18
    near = ((np.rint(phase) - phase) * STEP).astype(np.float32)
    block = _Blocks(left, right, means)
    few, most_noise = _grey(low_band), _MOST_NOISE_GREY
    if few.mean() < _GREY_SHARE:
        few, most_noise = np.ptp(low_band, axis=(0, 1)) <= _FLAT_BAND, _MOST_NOISE
        flat_share = float(few.mean())
        if flat_share < _LEAST_FLAT_SHARE or _lasts(pixels, near, block, watermark_id, flat_share=flat_share):
            return _moved(pixels, near, block)
    far = near - np.copysign(np.float32(STEP), near)
    share = _far_share(few, near, far, block, most_noise)
    drawn = few & (np.random.default_rng(int(watermark_id, 16)).random(few.size) < share)
    stronger = _moved(pixels, np.where(drawn, far, near), block)
    return stronger if _noise(pixels, stronger) <= most_noise else _moved(pixels, near, block)


def decode(pixels: NDArray[np.uint8]) -> DecodedWatermark:
    """Decodes the watermark of a picture (H, W, 3) uint8, sRGB, of the size at which it was embedded."""
    if is_too_small(pixels):
        return NONE
    largest, _, _ = _singular(_bands(pixels)[0])
    bit = np.arange(largest.size) % bch_code.BITS
    return accept(votes(phasors(largest, bit)), EXACT) or NONE


def is_too_small(pixels: NDArray[np.uint8]) -> bool:
    """Returns whether the package would refuse the picture, or bits would be left without a block."""
    height, width = pixels.shape[:2]
    return bool(height * width < _MIN_PIXELS or (height // 8) * (width // 8) < bch_code.BITS)


def _lasts(
    pixels: NDArray[np.uint8], move: NDArray[np.float32], block: "_Blocks", watermark_id: str, *, flat_share: float
) -> bool:
    """Returns whether a picture (H, W, 3) whose blocks move by (N,) will keep the mark when it is made smaller and compressed."""
    height, width = pixels.shape[:2]
    strips = np.arange(
        height // 16
    )  # as high as the blocks of a JPEG with half the colour: each strip is compressed by itself
    apart = max(1, round(height * width / _TRIAL_PIXELS))
    strips = strips[min(apart // 2, strips.size - 1) :: apart]
    columns = np.arange(width // 8)
    number = ((strips[:, None] * 2 + np.arange(2)).ravel()[:, None] * columns.size + columns).ravel()
    part = pixels[(strips[:, None] * 16 + np.arange(16)).ravel()]
    marked = _moved(part, move[number], _Blocks(*(one[:, number] for one in block)))
    read = encoding.decode(encoding.encode(marked, "jpeg", quality=_TRIAL_QUALITY))
    line = votes(phasors(block_values(u_plane(read)).ravel(), number % bch_code.BITS))
    return known_chance(line, watermark_id) <= (
        _TRIAL_CHANCE_FLAT if flat_share >= _MOSTLY_FLAT_SHARE else _TRIAL_CHANCE
    )


def _far_share(
    few: NDArray[np.bool_], near: NDArray[np.float32], far: NDArray[np.float32], block: "_Blocks", most_noise: float
) -> float:
    """Computes the share of the few blocks (of N) that may move far for the noise."""
    least, most = _energy(near, block), _energy(far, block)
    room = (most_noise - _ROUNDING) * 3 * 64 * few.size - float(least.sum())
    added = float((most - least)[few].sum())
    return min(_FAR_SHARE, _FITTED * room / added) if added > 0 else 0.0


def _energy(move: NDArray[np.float32], block: "_Blocks") -> NDArray[np.float32]:
    """Computes for each block (N,) the sum of the squares of its pixels' changes, before they are rounded."""
    move, mix = _fit(move.copy(), block.means)
    return np.asarray(move**2 * (mix**2).sum(0))


def _grey(low_band: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns the blocks (N,) of a band (4, 4, N) in which U is the picture's most common level throughout."""
    common = np.bincount(np.rint(low_band.mean((0, 1))).astype(np.intp)).argmax()
    above, below = low_band.max((0, 1)) - common, common - low_band.min((0, 1))
    return np.asarray(np.maximum(above, below) <= _GREY_BAND)


def _noise(pixels: NDArray[np.uint8], marked: NDArray[np.uint8]) -> float:
    """Computes the mean square error of a marked picture (H, W, 3)."""
    difference = np.subtract(marked, pixels).view(np.int8).astype(np.float32).ravel()  # no pixel moves by 128 levels
    return float(difference @ difference) / difference.size


def _moved(pixels: NDArray[np.uint8], move: NDArray[np.float32], block: "_Blocks") -> NDArray[np.uint8]:
    """Returns a copy of a picture (H, W, 3) whose blocks' largest singular values are moved, by (N,)."""
    move, mix = _fit(move.copy(), block.means)
    # The inverse Haar gives each pixel of a 2×2 cell half of the cell's change
    change = block.left[:, None] * block.right[None] * (move / 2)
    marked = pixels.copy()
    for channel in range(3):
        if mix[channel].any():
            _add(marked, channel, change * mix[channel])
    return marked


def _bands(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Computes for each 8×8 block the Haar LL band of U, (4, 4, N), and the mean of red, green and blue, (3, N)."""
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    frame = pixels[: rows * 8, : columns * 8]
    pairs = np.add(frame[0::2], frame[1::2], dtype=np.uint16).astype(np.float32).reshape(rows * 4, columns * 4, 6)
    one_pixel = np.column_stack([U_OF_RGB / 2, np.eye(3, dtype=np.float32) / 4])
    cells = pairs @ np.vstack([one_pixel, one_pixel])
    bands = cells.reshape(rows, 4, columns, 4, 4).transpose(4, 1, 3, 0, 2).reshape(4, 4, 4, -1)
    return bands[0] + 256, bands[1:].mean((1, 2))


def _singular(
    blocks: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Computes the largest singular value (N,) and its vectors (4, N) of blocks (4, 4, N).

    U is never under 17, so the blocks are positive and far from rank two: two rounds reach float32's last digits.
    """
    right = blocks.sum(0)
    for _ in range(2):
        left = np.einsum("ijn,jn->in", blocks, right)
        left /= np.sqrt(np.einsum("in,in->n", left, left))
        right = np.einsum("ijn,in->jn", blocks, left)
        largest = np.sqrt(np.einsum("jn,jn->n", right, right))
        right /= largest
    return largest, left, right


def _fit(move: NDArray[np.float32], means: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fits the moves (N,), in place, to the room of their blocks; returns them and each channel's change per unit of U, (3, N).

    Blue alone is the least visible way to change U. Where the channel is full or empty, the cheapest of all other
    mixes of channels is taken, to the near value of the bit or to the next one on the other side.
    """
    mix = np.zeros((3, move.size), np.float32)
    mix[2] = 1 / U_OF_RGB[2]
    room = np.where(move > 0, 255 - means[2], means[2])
    crowded = np.flatnonzero(room < np.abs(move) / 8 * mix[2])
    if crowded.size:
        near = move[crowded]
        far = near - np.copysign(STEP - _SHORT, near)
        options = np.stack([near, far])[:, None]  # (2, 1, M)
        mixes, costs = _mixes()
        levels = options[:, :, None] / 8 * mixes[:, :, None]  # (2, 7, 3, M)
        above, below = 255 - means[:, crowded], means[:, crowded]
        fits = ((levels <= above) & (-levels <= below)).all(2)
        cost = np.where(fits, options**2 * costs[:, None], np.inf)
        side, chosen = np.divmod(cost.reshape(-1, crowded.size).argmin(0), len(mixes))
        move[crowded] = np.where(side == 0, near, far)
        mix[:, crowded] = mixes[chosen].T
    return move, mix


@cache
def _mixes() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Computes for each choice of channels the least change that moves U by one, (7, 3), and its cost in colour and luma."""
    masks = np.array([mask for mask in itertools.product((0, 1), repeat=3) if any(mask)], np.float32)
    mixes = masks * U_OF_RGB / (masks @ U_OF_RGB**2)[:, None]
    return mixes, (mixes**2).sum(1) + (mixes @ _LUMA) ** 2


def _add(pixels: NDArray[np.uint8], channel: int, change: NDArray[np.float32]) -> None:
    """Adds a change (4, 4, N), one value for each 2×2 cell, to one channel in place.

    Ordered dither instead of rounding: a flat area takes a fraction of a level on the average of its 64 pixels.
    """
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    cells = change.reshape(4, 4, rows, columns).transpose(2, 0, 3, 1)
    for y, x in itertools.product(range(2), range(2)):
        plane = pixels[y : rows * 8 : 2, x : columns * 8 : 2, channel]
        step = np.floor(cells + _dither()[y::2, x::2].reshape(1, 4, 1, 4)).astype(np.int16)
        plane[:] = np.clip(plane + step.reshape(plane.shape), 0, 255)


@cache
def _dither() -> NDArray[np.float32]:
    """Returns Bayer's 8×8 thresholds, between 0 and 1."""
    tile = np.zeros((1, 1))
    for _ in range(3):
        tile = np.block([[4 * tile, 4 * tile + 2], [4 * tile + 3, 4 * tile + 1]])
    return ((tile + 0.5) / 64).astype(np.float32)
