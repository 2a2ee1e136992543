"""Watermark that is read from the file itself: a codec that takes it from a picture is made up for, until the id is read again.

For files of low quality, whose codec rounds the mark away. The file is read as a reader would read it, the blocks whose values it
shifted are moved against that, and the picture is encoded anew. Most of each bit's blocks keep it in the pixels themselves:
decoders that count blocks, as invisible-watermark's own does, read all bits before they are encoded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgen.provenance import bch_code, encoding, watermark
from imgen.provenance.watermark_embedding.moves import Blocks, energy, moved
from imgen.provenance.watermark_embedding.strength import ROUNDING, noise_of
from imgen.provenance.watermark_reading.votes import STEP

_MOST_NOISE = (255**2 / 10**4.1, 255**2 / 10**4, 255**2 / 10**4)
"""Greatest mean square error after each round: 41 dB, then 40 dB."""

_MOST_PUSH, _MOST_PUSH_OF_THIRD = 6.5, 18.0
"""Greatest distance of a block's value from the middle of its half, which is 18 wide; and of each third block of a bit."""

_SURE = 7.5
"""Distance within which a block counts as right for sure: decoders round U to whole levels."""

_FITTED = 0.98
"""Part of the noise that the moves may make before they are rounded."""

_HALVINGS = 10


@dataclass(frozen=True, kw_only=True)
class HeldPicture:
    """Picture with a mark that its file keeps."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) uint8, sRGB."""
    encoded: bytes


def hold(
    pixels: NDArray[np.uint8], watermark_id: str, encoded: bytes, encode: Callable[[NDArray[np.uint8]], bytes]
) -> HeldPicture | None:
    """Strengthens the mark of a picture until its file gives the id; None where 40 dB do not suffice.

    Args:
        pixels: (H, W, 3) uint8, sRGB, before it was marked.
        watermark_id: 12 lowercase hex digits.
        encoded: file of the marked picture, from which the id was not read.
        encode: encodes a picture (H, W, 3) as that file was.
    """
    blocks = watermark.blocks_of(pixels, watermark_id)
    push = np.zeros_like(blocks.near)
    is_third = np.arange(push.size) // bch_code.BITS % 3 == 0
    most_push = np.where(is_third, np.float32(_MOST_PUSH_OF_THIRD), np.float32(_MOST_PUSH))
    for most_noise in _MOST_NOISE:
        missed = watermark.values_of(encoding.decode(encoded)) - (blocks.largest + blocks.near)
        missed -= np.rint(missed / STEP) * np.float32(STEP)  # a period farther is the same bit
        push = _fitted(blocks, np.clip(push - missed, -most_push, most_push), most_noise)
        marked = moved(pixels, blocks, blocks.near + push)
        if noise_of(pixels, marked) > most_noise:
            continue
        if not _is_counted_right(marked, watermark_id):
            most_push[:] = _MOST_PUSH
            continue
        encoded = encode(marked)
        if watermark.decode(encoding.decode(encoded)).id == watermark_id:
            return HeldPicture(pixels=marked, encoded=encoded)
    return None


def _is_counted_right(marked: NDArray[np.uint8], watermark_id: str) -> bool:
    """Returns whether most blocks of each bit of a picture (H, W, 3) have its value for sure."""
    values = watermark.values_of(marked)
    bit = np.arange(values.size) % bch_code.BITS
    turns = values / STEP - (bch_code.encode(watermark_id)[bit] / 2 + 0.25)
    right = np.abs(turns - np.rint(turns)) * STEP <= _SURE
    return bool((np.bincount(bit, right, bch_code.BITS) * 2 > np.bincount(bit, minlength=bch_code.BITS)).all())


def _fitted(blocks: Blocks, push: NDArray[np.float32], most_noise: float) -> NDArray[np.float32]:
    """Scales pushes (N,) down to as much noise as may be."""
    room = _FITTED * (most_noise - ROUNDING) * 3 * 64 * push.size

    def fits(scale: float) -> bool:
        return float(energy(blocks.near + np.float32(scale) * push, blocks.means).sum()) <= room

    if fits(1):
        return push
    least, most = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if fits(middle) else (least, middle)
    return np.asarray(np.float32(least) * push)
