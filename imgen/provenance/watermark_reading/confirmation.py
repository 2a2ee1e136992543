"""Confirmation that a picture is one of a few of ours, whose watermarks are known: far fainter ones than the searches find.

The code's 48 bits need not be guessed, so that half the correlation proves as much.
"""

import io
import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.catalog import Size
from imgen.provenance import bch_code
from imgen.provenance.encoding import MIME
from imgen.provenance.watermark_reading.acceptance import Crop, DecodedWatermark, Search, confirm
from imgen.provenance.watermark_reading.planes import Plane, block_values, resized, sliding_values, u_plane
from imgen.provenance.watermark_reading.registration import Features, Placement, features, register
from imgen.provenance.watermark_reading.votes import phasors, votes

MOST_CANDIDATES = 5

_SCALES = sorted(np.linspace(0.995, 1.005, 11).tolist(), key=lambda scale: abs(scale - 1))
"""Changes of the registered scale that are tried, the least first: it was wrong by 0.0035 at most (56 pictures)."""
CONFIRMED = Search(name="candidate", share_log2=-34, vectors=MOST_CANDIDATES * (1 + len(_SCALES) * 64), is_known=True)
"""Each candidate at its own size, and at each place of the grid for each scale."""

_ASPECT = 0.02
"""Difference of aspects up to which a picture may be a whole one, in natural logarithms."""
_LEAST_SIDE = 64
"""Side of the smallest common part that is read, in pixels."""
_MOST_PIXELS = 1_100_000
"""Area that is read, of the middle of the common part."""


class Candidate(Struct, frozen=True, kw_only=True):
    """Picture of ours from which another one may come."""

    watermark_id: str
    size: Size
    """Width and height of the published picture."""
    thumbnail: bytes = b""
    """File; empty: there is none any more, and cuts of the picture are not recognized."""


def confirm_any(pixels: NDArray[np.uint8], candidates: Sequence[Candidate], deadline: float) -> DecodedWatermark | None:
    """Finds the candidate from which a picture (H, W, 3) uint8, sRGB, was made; None: from none, as far as can be told.

    Args:
        pixels: of the picture.
        candidates: the likeliest first; MOST_CANDIDATES of them are tried.
        deadline: of `time.monotonic`; no candidate is begun after it.
    """
    candidates = candidates[:MOST_CANDIDATES]
    plane = u_plane(pixels)
    for candidate in candidates:
        found = _confirmed_whole(plane, candidate)
        if found:
            return found
    own: Features | None = None
    for candidate in candidates:
        if time.monotonic() >= deadline:
            return None
        if not candidate.thumbnail:
            continue
        own = own or features(pixels)
        placement = register(own, features(_opened(candidate.thumbnail)), candidate.size)
        found = _confirmed_part(plane, placement, candidate) if placement else None
        if found:
            return found
    return None


def _opened(thumbnail: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(thumbnail), formats=tuple(MIME)) as image:
        return np.asarray(image.convert("RGB"))


def _confirmed_whole(plane: Plane, candidate: Candidate) -> DecodedWatermark | None:
    """Confirms a picture that was only resized, or not even that."""
    (height, width), size = plane.shape, candidate.size
    if abs(math.log(width / height) - math.log(size[0] / size[1])) > _ASPECT:
        return None
    rows = min(size[1], max(8, _MOST_PIXELS // size[0] // 8 * 8))
    part = resized(plane, (size[0], rows), (0, 0, width, height * rows / size[1]))
    values = block_values(part).ravel()
    bit = np.arange(values.size) % bch_code.BITS
    return confirm(votes(phasors(values, bit)), candidate.watermark_id, CONFIRMED, scale=width / size[0])


def _confirmed_part(plane: Plane, placement: Placement, candidate: Candidate) -> DecodedWatermark | None:
    """Confirms a picture that was cut, near the place at which it was registered."""
    for change in _SCALES:
        near = _scaled(placement, change, plane)
        part = _common_part(plane, near, candidate.size)
        if part is None:
            continue
        columns = candidate.size[0] // 8
        found = [
            confirm(
                line,
                candidate.watermark_id,
                CONFIRMED,
                scale=1 / near.scale,
                crop=Crop(
                    x=round(right - near.left) % 8, y=round(down - near.top) % 8, columns=columns % bch_code.BITS
                ),
            )
            for line, right, down in _lines(*part, columns=columns)
        ]
        best = max(filter(None, found), key=lambda one: one.confidence, default=None)
        if best:
            return best
    return None


def _scaled(placement: Placement, change: float, plane: Plane) -> Placement:
    """Returns a placement whose scale is another one, and by which the picture's middle lies where it lay."""
    height, width = plane.shape
    more = placement.scale * (change - 1)
    return Placement(placement.scale * change, placement.left - more * width / 2, placement.top - more * height / 2)


def _common_part(plane: Plane, placement: Placement, size: Size) -> tuple[Plane, int, int] | None:
    """Returns the middle of what the picture shows of the candidate, at the candidate's scale, and its left and top there."""
    height, width = plane.shape
    left, top = max(0, math.ceil(placement.left)), max(0, math.ceil(placement.top))
    right = min(size[0], math.floor(placement.left + placement.scale * width))
    bottom = min(size[1], math.floor(placement.top + placement.scale * height))
    across, down = right - left, bottom - top
    if min(across, down) < _LEAST_SIDE:
        return None
    shrink = min(1.0, math.sqrt(_MOST_PIXELS / (across * down)))
    left, top = left + int(across * (1 - shrink) / 2), top + int(down * (1 - shrink) / 2)
    across, down = int(across * shrink), int(down * shrink)
    box = (
        max(0.0, (left - placement.left) / placement.scale),
        max(0.0, (top - placement.top) / placement.scale),
        min(float(width), (left + across - placement.left) / placement.scale),
        min(float(height), (top + down - placement.top) / placement.scale),
    )
    return resized(plane, (across, down), box), left, top


def _lines(part: Plane, left: int, top: int, *, columns: int) -> Iterator[tuple[NDArray[np.float64], int, int]]:
    """Yields the votes (127,) with the grid of blocks moved by up to half a block, and by how many pixels it was: right and down.

    Args:
        part: of the candidate.
        left: pixels from its left edge to the candidate's.
        top: likewise, of the upper edges.
        columns: whole blocks in a row of the candidate.
    """
    every = sliding_values(part)
    for down in range(-4, 4):
        for right in range(-4, 4):
            x, y = (right - left) % 8, (down - top) % 8
            values = every[y::8, x::8]
            rows = np.arange(values.shape[0]) + (top + y - down) // 8
            bit = rows[:, None] * columns + np.arange(values.shape[1]) + (left + x - right) // 8
            means = phasors(values.ravel(), bit.ravel() % bch_code.BITS)
            yield votes(means), right, down
