"""Invisible watermark: embeds a 48-bit id in a picture's pixels and decodes it again.

The embedding is the `dwtDctSvd` method of invisible-watermark 0.2.0, so that package's own decoder reads the codeword:
the U plane, one level of Haar, its LL band in 4×4 blocks (8×8 pixels), and in each block the largest singular
value moved to a quarter (bit 0) or three quarters (bit 1) of a step of 36. Block n in raster order has bit n mod 127.
The package's DCT is orthonormal and leaves singular values alone, so none is computed here; moving the largest one is a
rank-one update, found for all blocks at once by power iteration.

The bits are a codeword of bch_code.py.

Pictures that would lose it have a stronger variant: watermark_embedding/strength.py, and held_watermark.py for files of low
quality.
"""

import numpy as np
from numpy.typing import NDArray

from imgen.domain import errors
from imgen.provenance import bch_code
from imgen.provenance.watermark_embedding.moves import Blocks, moved
from imgen.provenance.watermark_embedding.strength import strengthen_if_needed
from imgen.provenance.watermark_reading.acceptance import EXACT, NONE, DecodedWatermark, accept
from imgen.provenance.watermark_reading.planes import U_OF_RGB
from imgen.provenance.watermark_reading.votes import STEP, phasors, votes

_MIN_PIXELS = 256 * 256
"""Least area; the package refuses less. 1,024 blocks give each bit eight votes."""


def embed(pixels: NDArray[np.uint8], watermark_id: str) -> NDArray[np.uint8]:
    """Returns a copy with the watermark embedded.

    Args:
        pixels: (H, W, 3) uint8, sRGB; H × W at least 65,536 (256 × 256).
        watermark_id: 12 lowercase hex digits.

    Raises:
        errors.ModelError: the picture is too small to carry a watermark.
    """
    blocks = blocks_of(pixels, watermark_id)
    marked = moved(pixels, blocks, blocks.near)
    strengthen_if_needed(marked, pixels, blocks, watermark_id)
    return marked


def blocks_of(pixels: NDArray[np.uint8], watermark_id: str) -> Blocks:
    """Computes a picture's blocks and the moves that encode an id in them; arguments and errors of `embed`."""
    if is_too_small(pixels):
        raise errors.ModelError("The picture is too small for an invisible mark")
    if _is_grey(pixels):
        means = _grey_means(pixels)
        low_band = np.full((4, 4, means.shape[1]), 256, np.float32)
        largest = np.full(means.shape[1], 1024, np.float32)
        left = right = np.full((4, means.shape[1]), 0.5, np.float32)
    else:
        low_band, means = _bands(pixels)
        largest, left, right = _singular(low_band)
    bits = np.resize(bch_code.encode(watermark_id), largest.size).astype(np.float32)
    phase = largest / np.float32(STEP) - (bits / 2 + 0.25)
    near = ((np.rint(phase) - phase) * STEP).astype(np.float32)
    return Blocks(low_band=low_band, largest=largest, left=left, right=right, means=means, near=near)


def values_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Computes the largest singular values (N,) of the blocks of a picture (H, W, 3) uint8, sRGB."""
    return _singular(_bands(pixels)[0])[0]


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


def _bands(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Computes for each 8×8 block the Haar LL band of U, (4, 4, N), and the mean of red, green and blue, (3, N)."""
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    frame = pixels[: rows * 8, : columns * 8]
    pairs = np.add(frame[0::2], frame[1::2], dtype=np.uint16).astype(np.float32).reshape(rows * 4, columns * 4, 6)
    one_pixel = np.column_stack([U_OF_RGB / 2, np.eye(3, dtype=np.float32) / 4])
    cells = pairs @ np.vstack([one_pixel, one_pixel])
    bands = cells.reshape(rows, 4, columns, 4, 4).transpose(4, 1, 3, 0, 2).reshape(4, 4, 4, -1)
    return bands[0] + 256, bands[1:].mean((1, 2))


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Returns whether each pixel of a picture (H, W, 3) is grey: U is 128 throughout then, and all blocks are alike."""
    a_few_rows = pixels[:: max(1, pixels.shape[0] // 8)]
    return all(np.array_equal(part[..., 0], part[..., other]) for part in (a_few_rows, pixels) for other in (1, 2))


def _grey_means(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Computes the means (3, N) of the blocks of a grey picture (H, W, 3), as `_bands` does."""
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    level = np.ascontiguousarray(pixels[: rows * 8, : columns * 8, 0])
    of_columns = level.reshape(rows, 8, columns * 8).sum(1, dtype=np.uint16)
    means = of_columns.reshape(-1, 8) @ np.full(8, 1 / 64, np.float32)
    return np.broadcast_to(means, (3, means.size))


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
