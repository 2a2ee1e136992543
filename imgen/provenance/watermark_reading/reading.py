"""Reading of the watermark in a picture from anywhere: the searches in order of their cost, until one finds an id."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgen.domain.catalog import MORE_SIZES, SIZES, Size
from imgen.domain.framing import finished_sizes
from imgen.provenance import watermark
from imgen.provenance.watermark_reading import crops, restore, scales, steps
from imgen.provenance.watermark_reading.acceptance import NONE, DecodedWatermark
from imgen.provenance.watermark_reading.confirmation import Candidate, confirm_any
from imgen.provenance.watermark_reading.planes import u_plane


class Reading(Struct, frozen=True, kw_only=True):
    """Extent of a reading."""

    sizes: tuple[Size, ...] = finished_sizes(SIZES + MORE_SIZES)
    """Widths and heights that pictures of this installation have."""
    is_deep: bool = False
    """Whether pictures that were cut and resized as well are looked for: some seconds more."""
    budget_s: float = 10.0
    """Seconds after which no further search is begun, nor another scale."""


def read(
    pixels: NDArray[np.uint8], reading: Reading, candidates: Callable[[], Sequence[Candidate]] = tuple
) -> DecodedWatermark:
    """Reads the watermark of a picture (H, W, 3) uint8, sRGB, that may have been resized, cut, mirrored or changed in contrast.

    It holds a core for a good part of a second, or for several: nothing for an event loop. Too small a picture has none.

    Args:
        pixels: of the picture.
        reading: extent of the search.
        candidates: returns pictures of ours that may be this one; asked when the ordinary searches found nothing.
    """
    deadline = time.monotonic() + reading.budget_s
    found = watermark.decode(pixels)
    if found.id is not None or watermark.is_too_small(pixels):
        return found
    plane = u_plane(pixels)
    searches: list[Callable[[], DecodedWatermark | None]] = [
        partial(restore.search, plane, reading.sizes, deadline),
        partial(steps.search, plane),
        partial(crops.search, plane),
        lambda: confirm_any(pixels, candidates(), deadline),
    ]
    if reading.is_deep:
        searches.append(partial(scales.search, plane, deadline))
    for search in searches:
        if time.monotonic() >= deadline:
            break
        changed = search()
        if changed is not None:
            return changed
    return NONE
