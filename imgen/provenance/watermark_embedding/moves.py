"""Moves of the blocks' largest singular values, as changes of a picture's pixels. Decides nothing about their strength."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from imgen.provenance.watermark_reading.planes import U_OF_RGB
from imgen.provenance.watermark_reading.votes import STEP

_SHORT = 4.0
"""Distance before the middle of its half at which a move to the next period ends: less visible, still 5 from the border."""

_SPARSE = 0.25
"""Share of the blocks from which on a channel's whole plane is changed at once instead of block by block."""

_ROWS_AT_ONCE = 16
"""Rows of blocks that are changed at once: few enough for the processor's cache, and long enough for NumPy."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Blocks of an unmarked picture, N of them in raster order, and the moves that encode their bits."""

    low_band: NDArray[np.float32]
    """(4, 4, N): the LL band of U."""
    largest: NDArray[np.float32]
    """(N,): largest singular values of the LL band."""
    left: NDArray[np.float32]
    """(4, N): their vectors."""
    right: NDArray[np.float32]
    """(4, N)."""
    means: NDArray[np.float32]
    """(3, N): of red, green and blue."""
    near: NDArray[np.float32]
    """(N,): moves to the nearest value of the bit, −18 … 18."""

    @property
    def far(self) -> NDArray[np.float32]:
        """Moves (N,) to the next value of the bit on the other side."""
        return np.asarray(self.near - np.copysign(np.float32(STEP), self.near))


def moved(pixels: NDArray[np.uint8], blocks: Blocks, move: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns a copy of a picture (H, W, 3) whose blocks move by (N,); `blocks.near` makes the ordinary mark."""
    move, mix = _fit(move.copy(), blocks.means)
    marked = pixels.copy()
    change = _change(blocks.left, blocks.right, move)
    for channel in range(3):
        used = np.flatnonzero(mix[channel])
        if used.size > _SPARSE * move.size:
            _add(marked, channel, change * mix[channel])
        elif used.size:
            part = take(marked, used)
            _add_to_blocks(part, channel, change[..., used] * mix[channel, used])
            put(marked, used, part)
    return marked


def moved_far(pixels: NDArray[np.uint8], blocks: Blocks, chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Returns the chosen blocks, (M, 8, 8, 3), moved to the farther value of their bit.

    Args:
        pixels: (H, W, 3), unmarked.
        blocks: its blocks.
        chosen: numbers (M,) of some of them.
    """
    move, mix = _fit(blocks.far[chosen], blocks.means[:, chosen])
    change = _change(blocks.left[:, chosen], blocks.right[:, chosen], move)
    part = take(pixels, chosen)
    for channel in range(3):
        used = np.flatnonzero(mix[channel])
        if used.size == chosen.size:
            _add_to_blocks(part, channel, change * mix[channel])
        elif used.size:
            some = part[used]
            _add_to_blocks(some, channel, change[..., used] * mix[channel, used])
            part[used] = some
    return part


def energy(move: NDArray[np.float32], means: NDArray[np.float32]) -> NDArray[np.float32]:
    """Computes for each block (N,) the sum of the squares of its pixels' changes, before they are rounded."""
    move, mix = _fit(move.copy(), means)
    return np.asarray(move**2 * (mix**2).sum(0))


def _change(left: NDArray[np.float32], right: NDArray[np.float32], move: NDArray[np.float32]) -> NDArray[np.float32]:
    """Computes the change of U (4, 4, N) in each 2×2 cell: the inverse Haar gives each of its pixels half of the cell's."""
    return np.asarray(left[:, None] * right[None] * (move / 2))


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
    layout = change.reshape(4, 4, rows, columns).transpose(2, 0, 3, 1)
    thresholds = np.tile(_dither(), (1, columns))
    for top in range(0, rows, _ROWS_AT_ONCE):
        cells = np.ascontiguousarray(layout[top : top + _ROWS_AT_ONCE]).reshape(-1, 4, columns * 4)
        part = pixels[top * 8 : (top + cells.shape[0]) * 8, : columns * 8, channel]
        for y, x in itertools.product(range(2), range(2)):
            plane = part[y::2, x::2]
            plane[:] = _stepped(plane, (cells + thresholds[y::2, x::2]).reshape(plane.shape))


def _add_to_blocks(part: NDArray[np.uint8], channel: int, change: NDArray[np.float32]) -> None:
    """Adds a change (4, 4, M), as `_add` does, to one channel of blocks (M, 8, 8, 3) in place."""
    cells = change.transpose(2, 0, 1).repeat(2, axis=1).repeat(2, axis=2)
    part[..., channel] = _stepped(part[..., channel], cells + _dither())


def _stepped(plane: NDArray[np.uint8], change: NDArray[np.float32]) -> NDArray[np.int16]:
    """Adds a change with its thresholds, rounded down, to a plane of the same shape, within 0 … 255."""
    levels = np.floor(change, out=change).astype(np.int16)
    levels += plane
    return np.clip(levels, 0, 255, out=levels)


def take(pixels: NDArray[np.uint8], chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Copies blocks (M, 8, 8, 3) of a picture, by number."""
    framed = _framed(pixels)
    row, column = np.divmod(chosen, framed.shape[2])
    return np.asarray(framed[row, :, column])


def put(pixels: NDArray[np.uint8], chosen: NDArray[np.intp], part: NDArray[np.uint8]) -> None:
    """Puts blocks (M, 8, 8, 3) into a picture, by number."""
    framed = _framed(pixels)
    row, column = np.divmod(chosen, framed.shape[2])
    framed[row, :, column] = part


def _framed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns a view (rows, 8, columns, 8, 3) of the part of a picture that its blocks cover."""
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    down, across, deep = pixels.strides
    strides = (8 * down, down, 8 * across, across, deep)
    return np.lib.stride_tricks.as_strided(pixels, (rows, 8, columns, 8, 3), strides)


@cache
def _dither() -> NDArray[np.float32]:
    """Returns Bayer's 8×8 thresholds, between 0 and 1."""
    tile = np.zeros((1, 1))
    for _ in range(3):
        tile = np.block([[4 * tile, 4 * tile + 2], [4 * tile + 3, 4 * tile + 1]])
    return ((tile + 0.5) / 64).astype(np.float32)
