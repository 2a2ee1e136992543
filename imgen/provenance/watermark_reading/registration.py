"""Registration: the place of a changed picture on the one that it may come from, by features that both have.

Features decide nothing: pictures of one place or character share many (in 24 of 32 searches another picture's features lay well
together). The watermark is then read at the place that they name.
"""

import math

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.catalog import Size

_SIDE = 640
"""Long side at which features are looked for, in pixels; a thumbnail of 384 serves as well as 1,024."""
_MOST_FEATURES = 1000
_LEAST_MATCHES = 8
_DISTINCT = 0.8
"""Distance of the best match as part of that of the second, above which it may be either."""
_TOLERANCE_PX = 1.5
"""Pixels of the other picture by which a feature may lie off its place."""
_MOST_TURN = math.radians(1)
"""Turn up to which a picture counts as upright: features give it to a quarter of a degree."""


class Features(Struct, frozen=True, kw_only=True):
    """Features of a picture, after ORB (Rublee, Rabaud, Konolige and Bradski, 2011)."""

    places: NDArray[np.float64]
    """(n, 2): x and y in pixels of the picture, from its corner."""
    words: NDArray[np.uint8]
    """(n, 32)."""
    width: int


class Placement(Struct, frozen=True):
    """Place of a picture on another one: its point (x, y), in pixels from its corner, lies at scale · (x, y) + (left, top)."""

    scale: float
    left: float
    top: float


def features(pixels: NDArray[np.uint8]) -> Features:
    """Finds the features of a picture (H, W, 3) uint8."""
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    points, words = cv2.ORB.create(nfeatures=_MOST_FEATURES, fastThreshold=10).detectAndCompute(
        np.asarray(image), np.empty(0, np.uint8)
    )
    places = np.array([point.pt for point in points], np.float64).reshape(-1, 2) + 0.5
    found = np.empty((0, 32), np.uint8) if words is None else np.asarray(words, np.uint8)
    return Features(places=places * (pixels.shape[1] / image.width), words=found, width=pixels.shape[1])


def register(picture: Features, other: Features, size: Size) -> Placement | None:
    """Places a picture on another one of a size (width, height), whose features may be a thumbnail's. None: too few agree."""
    if min(len(picture.words), len(other.words)) < _LEAST_MATCHES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(picture.words, other.words, k=2)
    matches = [best for best, second in pairs if best.distance < _DISTINCT * second.distance]
    if len(matches) < _LEAST_MATCHES:
        return None
    enlarged = size[0] / other.width
    here = picture.places[[match.queryIdx for match in matches]]
    there = other.places[[match.trainIdx for match in matches]] * enlarged
    matrix, agree = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=_TOLERANCE_PX * enlarged)
    if matrix is None or int(agree.sum()) < _LEAST_MATCHES:
        return None
    if abs(math.atan2(matrix[1, 0], matrix[0, 0])) > _MOST_TURN:
        return None
    return _upright(here[agree.ravel() > 0], there[agree.ravel() > 0])


def _upright(here: NDArray[np.float64], there: NDArray[np.float64]) -> Placement | None:
    """Fits scale and place alone to pairs of points (n, 2), by least squares."""
    from_middle = here - here.mean(0)
    spread = float((from_middle**2).sum())
    if not spread:
        return None
    scale = float((from_middle * (there - there.mean(0))).sum()) / spread
    left, top = (there.mean(0) - scale * here.mean(0)).tolist()
    return Placement(scale, left, top) if scale > 0 else None
