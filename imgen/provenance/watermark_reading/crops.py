"""Search in pictures that were cut, at the scale at which they were marked, mirrored or not."""

import numpy as np

from imgen.provenance import bch_code
from imgen.provenance.watermark_reading import torus
from imgen.provenance.watermark_reading.acceptance import Crop, DecodedWatermark, Search, accept
from imgen.provenance.watermark_reading.planes import Plane, sliding_values
from imgen.provenance.watermark_reading.votes import votes

PLACES = 4
"""Places of the grid that are decoded, each with the C at which the bits lie farthest apart."""
CROPPED = Search(name="crop", share_log2=-33, vectors=2 * PLACES * bch_code.BITS)

_LEAST_SIDE = 64
"""Side of the smallest picture that is read, in pixels: a strip of fewer rows has no grid that shows."""
_MOST_PIXELS = 1_500_000
"""Area that is read, of the middle of a picture: larger ones have votes to spare, and would take more time and memory."""


def search(plane: Plane, kind: Search = CROPPED, *, scale: float = 1.0) -> DecodedWatermark | None:
    """Reads a plane of U, (H, W), at all 64 places that the grid of blocks can have, for every length of the rows.

    Args:
        plane: at the scale at which it was marked.
        kind: the search that its words count for.
        scale: of the picture that the plane comes from, for the answer.
    """
    if min(plane.shape) < _LEAST_SIDE:
        return None
    spectra = torus.spectra(torus.by_place(sliding_values(middle(plane, _MOST_PIXELS))))
    for index in np.argsort(-torus.energies(spectra), axis=None)[:PLACES]:
        place, columns = divmod(int(index), bch_code.BITS)
        line = votes(torus.bits(spectra[place], columns))
        for mirrored in (False, True):
            # Mirrored, the bits run backwards, and so do the rows: their length counts from the other side
            crop = Crop(x=place % 8, y=place // 8, columns=-columns % bch_code.BITS if mirrored else columns)
            directed = line[::-1] if mirrored else line
            found = accept(directed, kind, any_shift=True, mirrored=mirrored, scale=scale, crop=crop)
            if found:
                return found
    return None


def middle(plane: Plane, most_pixels: int) -> Plane:
    """Returns the middle of a plane, of about so many pixels at most; its grid of blocks keeps its place."""
    shrink = (most_pixels / plane.size) ** 0.5
    if shrink >= 1:
        return plane
    height, width = (int(side * shrink) for side in plane.shape)
    top, left = ((whole - part) // 16 * 8 for whole, part in zip(plane.shape, (height, width), strict=True))
    return plane[top : top + height, left : left + width]
