"""Frames: finds the picture within a border, bars, a passe-partout, a page or a screen that shows it. Judges nothing.

A line of pixels, a row or a column, is plain if nearly all of it lies on one slope of brightness: that of an even colour, or of
a scan that is lighter at one end. Plain lines at the edges are a frame; more of them in its colour are gaps beside text and
buttons. Only brightness counts, as in PDQ, and a reduced picture has little left of what lossy formats add beside an edge.

A picture may have plain edges of its own, a sky say, so it is cut in several ways: a wrong cut is like no listed picture. Hashes
of unlike pictures, were their bits independent, would be 31 bits apart or fewer once in 2^123 times; 28 cuts in eight
orientations against a million hashes are 2^28 comparisons. Pictures of the tests stay more than 62 apart.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 512
"""Pixels of the long edge in which frames are looked for, and of what is given: PDQ reduces a picture to 64, and bears half a
percent of frame on each side."""
MIN_SIDE = 32
"""Pixels of the shorter side of what is given; a smaller one is no picture."""
MAX_LAYERS = 4
"""Frames round each other: three colours, and bars round them."""
LEVELS = 20
"""By how much a pixel of a plain line may differ from it; JPEG of quality 60 rings by 15 beside a sharp edge."""
LEAST_PLAIN = 0.98
"""Share of its pixels that make a line plain: dust and dots are no picture."""
JUMP = 8
"""Levels between two plain lines where a frame of one colour ends."""
BLUR = 0.03
"""Share of a side within which picture and frame may run together, by ringing, a soft edge or a shadow."""

_Pixels = NDArray[np.uint8]
_Luma = NDArray[np.float32]
_Box = tuple[int, int, int, int]
"""First row and the one after the last, the same of columns."""


class _Lines(NamedTuple):
    """Rows of (n, m) luma, the mean of each, and whether it is plain."""

    luma: _Luma
    levels: _Luma
    is_plain: NDArray[np.bool_]


class _Edge(NamedTuple):
    """Frame along one side."""

    plain: int = 0
    """Number of plain lines of one colour; 0: there is no frame."""
    blurred: int = 0
    """The same with the lines that run together with the picture."""
    level: float = 0.0


def framed(view: _Pixels) -> Iterator[_Pixels]:
    """Yields what may be a picture within (h, w, 3) uint8, reduced to 512 pixels, from the outermost frame inwards."""
    for _ in range(MAX_LAYERS):
        inner = view
        for inner in _cuts(view):
            yield np.asarray(_reduced(inner))
        if inner is view:
            return
        view = inner


def _cuts(view: _Pixels) -> Iterator[_Pixels]:
    """Yields a picture without its outermost frame, cut in several ways, the most likely one last."""
    if min(view.shape[:2]) < MIN_SIDE:
        return
    luma = np.asarray(_reduced(view).convert("L"), np.float32)
    down, across = view.shape[0] / luma.shape[0], view.shape[1] / luma.shape[1]
    for top, bottom, left, right in _boxes(luma):
        inner = view[round(top * down) : round(bottom * down), round(left * across) : round(right * across)]
        if min(inner.shape[:2]) >= MIN_SIDE:
            yield inner


def _boxes(luma: _Luma) -> list[_Box]:
    """Returns the parts of (h, w) luma within the outermost frame, each once; none: there is no frame."""
    height, width = luma.shape
    edges = (*_edges(_lines(luma)), *_edges(_lines(luma.T)))
    levels = [edge.level for edge in edges if edge.plain]
    cuts = [
        [edge.plain for edge in edges],
        *([edge.blurred if abs(edge.level - level) <= LEVELS else 0 for edge in edges] for level in levels),
        [edge.blurred for edge in edges],
    ]
    boxes = [(top, height - bottom, left, width - right) for top, bottom, left, right in cuts]
    boxes.append(_largest(luma, boxes[-1], levels))
    return [box for box in dict.fromkeys(boxes) if box != (0, height, 0, width)]


def _lines(luma: _Luma) -> _Lines:
    places = np.linspace(-1, 1, luma.shape[1], dtype=np.float32)
    levels = luma.mean(axis=1)
    slopes = levels[:, None] + np.outer(luma @ places / (places @ places), places)
    return _Lines(luma, levels, (np.abs(luma - slopes) <= LEVELS).mean(axis=1) >= LEAST_PLAIN)


def _edges(lines: _Lines) -> tuple[_Edge, _Edge]:
    """Returns the frames before the first line and after the last one that are none."""
    return _edge(lines), _edge(_Lines(lines.luma[::-1], lines.levels[::-1], lines.is_plain[::-1]))


def _edge(lines: _Lines) -> _Edge:
    if lines.is_plain.all() or not lines.is_plain[0]:
        return _Edge()
    goes_on = lines.is_plain[1:] & (np.abs(np.diff(lines.levels)) <= JUMP)
    plain = 1 + int(np.argmin(goes_on))
    near = lines.luma[plain - 1 : plain + max(2, round(len(lines.luma) * BLUR))]
    steepest = int(np.argmax(np.abs(np.diff(near, axis=0)).mean(axis=1)))
    return _Edge(plain, plain + steepest, float(lines.levels[0]))


def _largest(luma: _Luma, box: _Box, levels: list[float]) -> _Box:
    """Returns the largest part of a box that is set apart by plain lines in a frame's colour."""
    top, bottom, left, right = box
    if min(bottom - top, right - left) < MIN_SIDE:
        return box
    first, end = _longest(_lines(luma[top:bottom, left:right]), levels)
    top, bottom = top + first, top + end
    first, end = _longest(_lines(luma[top:bottom, left:right].T), levels)
    return top, bottom, left + first, left + end


def _longest(lines: _Lines, levels: list[float]) -> tuple[int, int]:
    """Returns the first and the one after the last of the longest run of lines that are no gap."""
    is_gap = lines.is_plain & (np.abs(lines.levels[:, None] - levels) <= LEVELS).any(axis=1)
    ends = [-1, *np.flatnonzero(is_gap).tolist(), len(is_gap)]
    before, after = max(pairwise(ends), key=lambda pair: pair[1] - pair[0])
    return (0, len(is_gap)) if is_gap.all() else (before + 1, after)


def _reduced(view: _Pixels) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(view))
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX, 2.0)
    return image
