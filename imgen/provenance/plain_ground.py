"""Plain ground of a picture: its colour, which may change slowly from edge to edge, and how much it varies there."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgen.provenance.plane_filters import Region

STRIP_SHARE = 0.02
"""Width of the strip along the edges that is taken for ground, as a share of the shorter side."""
_LEAST_STRIP_PX = 4
_ROUNDS = 6
_FAR = 3.0
"""Standard deviations beyond which a pixel of the strip is none of the ground's."""
_TOLERANCE = 1.5
"""Distance in CIELAB that is nobody's difference, beside the noise."""
_LEAST_SHARE = 0.6
"""Share of the strip that a plain ground has."""
_MOST_SPREAD = 5.0
"""Standard deviation in CIELAB above which a ground is not plain."""
_MOST_CHANGE = 32.0
"""Difference in CIELAB from one end of a plain ground to another; a wall and a floor have more."""


class Ground(Struct, frozen=True, kw_only=True):
    """Ground that was found."""

    colour: NDArray[np.float32]
    """(height, width, 3) CIELAB: as it would be behind everything."""
    spread: float
    """Standard deviation of its distance from that, in CIELAB."""
    seen: Region
    """Pixels of the strip along the edges that have its colour."""


def find_ground(lab: NDArray[np.float32]) -> Ground | None:
    """Finds the plain ground of a picture, (height, width, 3) CIELAB, by the strip along its edges; None: there is none.

    A quadratic surface is fitted to each channel, again and again without the pixels that are far from it: a product that touches
    an edge does not count.
    """
    height, width = lab.shape[:2]
    strip = edge_strip(height, width)
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(down), down, across, down * across, down**2, across**2], axis=2)
    samples, wanted = terms[strip], lab[strip]
    near = np.ones(len(samples), np.bool_)
    # Begin with the colour that most of the strip has: outliers pull a fit, not a median
    distance = np.linalg.norm(wanted - np.median(wanted, axis=0), axis=1)
    near = distance <= np.quantile(distance, 0.7)
    for _ in range(_ROUNDS):
        factors, *_ = np.linalg.lstsq(samples[near], wanted[near], rcond=None)
        distance = np.linalg.norm(samples @ factors - wanted, axis=1)
        spread = float(np.median(distance[near])) / 1.5382  # of three normal values of deviation 1
        near = distance <= _FAR * spread + _TOLERANCE
        if near.mean() < _LEAST_SHARE:
            return None
    colour = (terms @ factors).astype(np.float32)
    if spread > _MOST_SPREAD or np.linalg.norm(np.ptp(colour.reshape(-1, 3), axis=0)) > _MOST_CHANGE:
        return None
    seen = np.zeros_like(strip)
    seen[strip] = near
    return Ground(colour=colour, spread=spread, seen=seen)


def edge_strip(height: int, width: int) -> Region:
    """Returns the strip along the edges of a picture."""
    side = max(_LEAST_STRIP_PX, round(min(height, width) * STRIP_SHARE))
    strip = np.ones((height, width), np.bool_)
    strip[side:-side, side:-side] = False
    return strip
