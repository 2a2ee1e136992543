"""Search in pictures that were cut and resized: the scale at which a grid of blocks shows, then as in a cut picture.

The scales are tried on a tile of the middle, and those at which the bits lie farthest apart are refined on the whole picture.
"""

import math
import time

import numpy as np

from imgen.domain.catalog import Size
from imgen.provenance import bch_code
from imgen.provenance.watermark_reading import crops, torus
from imgen.provenance.watermark_reading.acceptance import DecodedWatermark, Search
from imgen.provenance.watermark_reading.planes import Plane, resized, sliding_values_of_cells

_DECODED = 3
"""Scales that are refined and decoded."""
SCALED = Search(name="scale", share_log2=-34, vectors=_DECODED * 2 * crops.PLACES * bch_code.BITS)

_TILE_PX = 64 * 8
"""Side of the tile, in pixels at the scale at which it was marked."""
_LEAST_SIDE = 160
"""Side of the smallest picture that is read, in pixels: at the largest scale that is tried its tile still has 13 blocks."""
_FINENESS = 0.006
"""Distance of the scales that are tried, in natural logarithms: half of it moves the tile's edge by less than a pixel."""
_TRIED = np.exp(np.arange(math.log(0.5), math.log(2.05), _FINENESS))

_REFINED = ((0.0015, 3), (0.0004, 2))
"""Rounds of refinement: distance of the scales, and their number to each side."""
_MOST_PIXELS = 900_000
"""Area of the middle on which a scale is refined, at the scale at which it was marked."""


def search(plane: Plane, deadline: float) -> DecodedWatermark | None:
    """Reads a plane of U, (H, W), at the scales at which it seems to have a grid.

    Args:
        plane: of the picture as it is.
        deadline: of `time.monotonic`; no scale is begun after it.
    """
    if min(plane.shape) < _LEAST_SIDE:
        return None
    for scale in _most_likely(plane, deadline):
        if time.monotonic() >= deadline:
            break
        fine = _refined(plane, scale)
        found = crops.search(_restored(plane, fine), SCALED, scale=fine)
        if found:
            return found
    return None


def _most_likely(plane: Plane, deadline: float) -> list[float]:
    """Returns the scales at which the tile's bits lie farthest apart, none beside another, of those that time sufficed for."""
    energies: dict[float, float] = {}
    for scale in map(float, _TRIED):
        if time.monotonic() >= deadline:
            break
        side = min(_TILE_PX + 6, int(min(plane.shape) / scale))
        energies[scale] = _energy(_restored(plane, scale, (side, side)))
    chosen: list[float] = []
    for scale in sorted(energies, key=lambda one: -energies[one]):
        if all(abs(math.log(scale / other)) > 1.5 * _FINENESS for other in chosen):
            chosen.append(scale)
    return chosen[:_DECODED]


def _refined(plane: Plane, scale: float) -> float:
    height, width = plane.shape
    shrink = min(1.0, math.sqrt(_MOST_PIXELS / plane.size) * scale)
    for apart, number in _REFINED:
        near = [scale * (1 + apart * place) for place in range(-number, number + 1)]
        size = int(width * shrink / max(near)), int(height * shrink / max(near))
        scale = max(near, key=lambda one: _energy(_restored(plane, one, size)))
    return scale


def _restored(plane: Plane, scale: float, size: Size | None = None) -> Plane:
    """Returns the middle of a plane, of a width and a height at the scale at which it was marked; all of it by default."""
    height, width = plane.shape
    across, down = size or (int(width / scale), int(height / scale))
    left, top = (width - across * scale) / 2, (height - down * scale) / 2
    return resized(plane, (across, down), (left, top, left + across * scale, top + down * scale))


def _energy(plane: Plane) -> float:
    """Computes the greatest energy of any place and row length; each second pixel suffices, in a quarter of the time."""
    return float(torus.energies(torus.spectra(torus.by_place(sliding_values_of_cells(plane), apart=2))).max())
