"""Enlargement of a large picture tile by tile, so that a network needs memory for one tile alone. Seams are blended away."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

OVERLAP = 32
"""Pixels of the render that neighbours share."""
HIDDEN = 12
"""Pixels of it at a tile's edge, which a network draws without seeing what is beyond: they are left out where there is a
neighbour. Over those between, one tile fades into the other."""
FADED = OVERLAP - 2 * HIDDEN

Enlarge = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Function from (h, w, 3) to (h × scale, w × scale, 3), uint8."""


def count(height: int, width: int, tile: int) -> int:
    """Returns the number of tiles of a picture."""
    return len(list(_starts(height, tile))) * len(list(_starts(width, tile)))


def enlarge(
    pixels: NDArray[np.uint8], scale: int, enlarge_tile: Enlarge, *, tile: int, on_tile: Callable[[], None]
) -> NDArray[np.uint8]:
    """Enlarges (H, W, 3) uint8 by tiles of at most `tile` pixels a side, more than twice the overlap.

    Args:
        pixels: the render.
        scale: factor of `enlarge_tile`.
        enlarge_tile: enlarges one tile.
        tile: pixels of a tile's side, before it is enlarged.
        on_tile: called after each tile; an error that it raises ends the work.
    """
    height, width = pixels.shape[:2]
    enlarged = np.empty((height * scale, width * scale, 3), np.uint8)
    for top in _starts(height, tile):
        for left in _starts(width, tile):
            drawn = enlarge_tile(np.ascontiguousarray(pixels[top : top + tile, left : left + tile]))
            above, before = (HIDDEN * scale if start else 0 for start in (top, left))
            below = HIDDEN * scale if top + tile < height else 0
            after = HIDDEN * scale if left + tile < width else 0
            drawn = drawn[above : drawn.shape[0] - below, before : drawn.shape[1] - after]
            y, x = top * scale + above, left * scale + before
            under = enlarged[y : y + drawn.shape[0], x : x + drawn.shape[1]]
            _lay(drawn, under, fades=(top > 0, left > 0), length=FADED * scale)
            on_tile()
    return enlarged


def _starts(length: int, tile: int) -> Iterator[int]:
    """Yields where tiles begin along an axis; the last one ends with it, and overlaps its neighbour by more where it has to."""
    last = max(0, length - tile)
    yield from range(0, last, tile - OVERLAP)
    yield last


def _lay(drawn: NDArray[np.uint8], under: NDArray[np.uint8], *, fades: tuple[bool, bool], length: int) -> None:
    """Lays a tile over what is there; its upper and left edges fade in where a neighbour lies under them."""
    rows, columns = (_ramp(size, length, is_faded) for size, is_faded in zip(drawn.shape, fades, strict=False))
    for part in _faded_parts(fades, length):
        weight = (rows[:, None] * columns)[part][..., None]
        before = under[part].astype(np.float32)
        under[part] = np.rint(before + (drawn[part] - before) * weight).astype(np.uint8)
    whole = (slice(length if fades[0] else 0, None), slice(length if fades[1] else 0, None))
    under[whole] = drawn[whole]


def _faded_parts(fades: tuple[bool, bool], length: int) -> Iterator[tuple[slice, slice]]:
    """Yields the strips of a tile that fade: the upper one whole, the left one below it."""
    above = length if fades[0] else 0
    if fades[0]:
        yield slice(0, length), slice(None)
    if fades[1]:
        yield slice(above, None), slice(0, length)


def _ramp(size: int, length: int, is_faded: bool) -> NDArray[np.float32]:  # noqa: FBT001 - a fact about the edge
    """Returns the weights along an axis: they rise over `length` pixels from its begin where the edge fades."""
    weights = np.ones(size, np.float32)
    if is_faded:
        weights[:length] = (np.arange(length, dtype=np.float32)[:size] + 0.5) / length
    return weights
