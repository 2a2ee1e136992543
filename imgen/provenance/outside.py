"""Views of a picture from outside (logo; source, mask): all that match lists and reviewers must see of it before it is used.

A picture with transparent parts looks different over each ground, and a turned one different from the file. A view is a plain
picture (h, w, 3) uint8 that could be seen. Judges nothing.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.provenance.frames import framed

OPAQUE = 255
GROUNDS = (255, 0, 128)
"""Grey levels of the grounds: white and black show whatever there is; grey shows both at once."""
LEAST_VISIBLE = 8
"""Alpha below which a pixel counts as absent when the empty margin is cut off."""
LEAST_FILLED = 0.1
"""Share of visible pixels below which an outer row or column counts as margin: single dots there must not hide a picture."""
MAX_SIDE = 512
"""Pixels of the long edge of a turned view; PDQ reduces a picture to 64."""

_Pixels = NDArray[np.uint8]


def faces(image: _Pixels) -> tuple[_Pixels, ...]:
    """Returns the views for reviewers who look: the picture itself, or a transparent one over white and over black."""
    if not is_transparent(image):
        return (np.ascontiguousarray(image[..., :3]),)
    return tuple(_flatten(image, ground) for ground in GROUNDS[:2])


def views(image: _Pixels, *, rotation: int = 0) -> Iterator[_Pixels]:
    """Yields the views for the match lists, in which a listed picture could be hidden.

    The picture with its transparency ignored and over each ground; without its empty margin and without frames; all of it as it
    stands and as it is turned. Quarter turns and mirrors are up to the search.

    Args:
        image: (h, w, 3) or (h, w, 4) uint8, sRGB, straight alpha.
        rotation: degrees, clockwise, by which it will be turned.
    """
    turned = (_turned(image, rotation),) if rotation % 90 else ()
    for one in (image, *turned):
        for view in _flattened(one):
            yield view
            yield from framed(view)


def is_transparent(image: _Pixels) -> bool:
    """Returns whether any pixel lets the ground through."""
    return image.shape[2] > 3 and bool((image[..., 3] < OPAQUE).any())  # noqa: PLR2004 - red, green and blue


def changed_part(before: _Pixels, after: _Pixels) -> _Pixels | None:
    """Returns the smallest part of `after` that has all changed pixels, as a view of it; None: nothing changed."""
    changed = before != after
    box = _box(changed[..., 0] | changed[..., 1] | changed[..., 2], least=0)  # thrice as fast as `any` over three
    return None if box is None else np.ascontiguousarray(after[box])


def _flattened(image: _Pixels) -> Iterator[_Pixels]:
    """Yields a picture with its transparency ignored, then what is visible of it over each ground."""
    yield np.ascontiguousarray(image[..., :3])
    if not is_transparent(image):
        return
    box = _box(image[..., 3] >= LEAST_VISIBLE, least=LEAST_FILLED)
    if box is not None:
        visible = image[box]
        yield np.ascontiguousarray(visible[..., :3])
        for ground in GROUNDS:
            yield _flatten(visible, ground)


def _flatten(image: _Pixels, ground: int) -> _Pixels:
    alpha = image[..., 3:].astype(np.float32) / OPAQUE
    return np.rint(image[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)


def _turned(image: _Pixels, rotation: int) -> _Pixels:
    """Turns a picture clockwise on a transparent ground."""
    turned = Image.fromarray(image).convert("RGBA")
    turned.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.asarray(turned.rotate(-rotation, Image.Resampling.BICUBIC, expand=True, fillcolor=(0, 0, 0, 0)))


def _box(mask: NDArray[np.bool_], *, least: float) -> tuple[slice, slice] | None:
    """Returns rows and columns, from the first to the last with more than `least` of the fullest one's marks; None: no mark."""
    spans = []
    for axis in (1, 0):
        marks = np.count_nonzero(mask, axis=axis)
        places = np.flatnonzero(marks > least * marks.max(initial=0))
        if not places.size:
            return None
        spans.append(slice(int(places[0]), int(places[-1]) + 1))
    return spans[0], spans[1]
