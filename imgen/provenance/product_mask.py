"""Mask of a product before a plain or transparent ground: black where the product is kept, white where the ground is drawn anew.

The ground is flooded from the edges of the picture: through pixels of its colour, and through those that are merely darker, as a
soft shadow is, but never across an edge. Colours are compared in CIELAB. The tolerance is what the ground itself varies by, so
noise and JPEG blocks are ground, and a white product before a white wall is not. What is enclosed by the product and has the
colour of the ground, as within the handle of a mug, is ground as well.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.provenance.cielab import to_lab
from imgen.provenance.intake import TakenPicture, grey_png
from imgen.provenance.plain_ground import Ground, edge_strip, find_ground
from imgen.provenance.plane_filters import Plane, Region, box, flood, gaussian, grow, shrink, steepness

_SIDE = 1024
"""Long side at which the mask is made."""
_LEAST_COVER, _MOST_COVER = 0.005, 0.92
"""Share of the picture that a product takes."""
_MOST_AT_EDGE, _MOST_OF_SIDE = 0.3, 0.8
"""Share that it may take of the strip along the edges, and of each side: a floor below a wall is none."""
_OPAQUE, _CLEAR = 128, 24
"""Levels of transparency: an edge lies at the first; inside of it, glass is what is above the second."""
_CLEAR_SHARE = 0.02
"""Share of a picture that is clear where its transparency tells the product."""

_FINE, _COARSE = 1.0, 5.0
"""Scales of edges, pixels: a step is steep at the first alone, a soft shadow at both alike."""
_LEAST_STEP = 0.55
"""Steepness of an edge beyond the coarse one, in CIELAB a pixel; a step of two levels of lightness has it."""
_NEAR, _NEAR_SPREADS = 2.0, 2.5
"""Distance of the ground's colour, plus standard deviations of its noise."""
_SHADOWS, _BRIGHTEST = (45.0, 20.0, 10.0, 5.0, 0.0), 4.0
"""Lightness by which the ground may be darker, or brighter, where no edge is crossed; the first that leaves the product whole."""
_LEAST_LEFT = 0.6
"""Share of product and shadow that a product is, at least: else the flood went from a shadow into a product of its lightness."""
_SHADOW_TINT = 4.0
"""Difference in hue and chroma of a shadow, plus that of noise."""
_GAP = 2
"""Radius of a gap in an outline that the flood does not pass."""
_BAND = 8
"""Pixels around the flooded ground in which the edge is looked for."""
_MIDDLE = 0.65
"""Share of the product in a pixel at which its edge lies: a pixel of the edge has less of the old ground than of the product."""
_ENCLOSED = 1.2
"""Distance from the ground's colour of what is enclosed by the product."""
_SPECK_WINDOW, _SPECK = 15, 60
"""Radius of a window, and pixels in it below which nothing is a product."""


def mask_of(body: bytes, alpha: bytes) -> TakenPicture | None:
    """Makes the mask of a source.

    Args:
        body: its file, as the gate made it.
        alpha: its transparency, as the gate made it; empty: it is opaque.

    Returns:
        The mask, of the source's size; None: the product cannot be told from the ground.
    """
    with Image.open(io.BytesIO(body), formats=("PNG",)) as image:
        size = image.size
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
        small = image.convert("RGB")
    product = _of_alpha(alpha, small.size) if alpha else None
    if product is None:
        product = find_product(np.asarray(small))
    if product is None:
        return None
    levels = Image.fromarray(np.where(product, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return TakenPicture(body=grey_png(levels), width=size[0], height=size[1])


def find_product(pixels: NDArray[np.uint8]) -> Region | None:
    """Finds the product before a plain ground.

    Args:
        pixels: (height, width, 3) sRGB.

    Returns:
        (height, width), true where the product is; None: no ground is plain, or what stands before it is no product.
    """
    lab = to_lab(pixels)
    ground = find_ground(lab)
    if ground is None:
        return None
    smooth = np.stack([gaussian(lab[..., channel], _FINE) for channel in range(3)], axis=2)
    flooded = _flooded(smooth, ground) | _enclosed(lab, ground)
    product = _without_specks(~_to_the_edge(lab, flooded))
    return product if _is_plausible(product) else None


def _flooded(smooth: NDArray[np.float32], ground: Ground) -> Region:
    """Floods the ground from the edges of the picture, as far into shadows as the product stays whole."""
    edges = _edges(smooth)
    usual = edges[ground.seen]
    limit = max(_LEAST_STEP, float(np.median(usual) + 4 * 1.4826 * np.median(np.abs(usual - np.median(usual)))))
    apart = smooth - ground.colour
    is_near = np.linalg.norm(apart, axis=2) < _NEAR + _NEAR_SPREADS * ground.spread
    tint = np.hypot(apart[..., 1], apart[..., 2])
    darker = -apart[..., 0]
    has_tint = (tint < _SHADOW_TINT + _NEAR_SPREADS * ground.spread) & (darker > -_BRIGHTEST)

    def flooded(darkest: float) -> Region:
        passable = (edges < limit) & (is_near | (has_tint & (darker < darkest)))
        wide = shrink(passable, _GAP)
        return np.asarray(grow(flood(ground.seen & wide, wide), _GAP) & passable)

    bright = flooded(0)
    found = (flooded(darkest) for darkest in _SHADOWS)
    return next(region for region in found if (~region).mean() >= _LEAST_LEFT * (~bright).mean())


def _edges(smooth: NDArray[np.float32]) -> Plane:
    """Returns how much steeper a picture is at the fine scale than at the coarse one."""
    fine = np.sqrt(sum(steepness(smooth[..., channel]) ** 2 for channel in range(3)))
    coarse = np.sqrt(sum(steepness(gaussian(smooth[..., channel], _COARSE)) ** 2 for channel in range(3)))
    return np.asarray(fine - coarse, np.float32)


def _enclosed(lab: NDArray[np.float32], ground: Ground) -> Region:
    """Returns all that has the ground's very colour, fine lines left out."""
    mild = np.stack([gaussian(lab[..., channel], 2 * _FINE) for channel in range(3)], axis=2)
    same = np.linalg.norm(mild - ground.colour, axis=2) < _ENCLOSED + ground.spread / 2
    return grow(shrink(same, _GAP), _GAP)


def _to_the_edge(lab: NDArray[np.float32], flooded: Region) -> Region:
    """Grows the ground to the middle of the edge between it and the product, where it ends some pixels before it."""
    behind = _mean_of(lab, flooded.astype(np.float32))
    apart = np.where(flooded, 0, np.linalg.norm(lab - behind, axis=2))
    across = _mean_of(lab, apart**4) - behind  # pixels of the edge itself have little weight
    length = (across**2).sum(axis=2)
    share = ((lab - behind) * across).sum(axis=2) / np.maximum(length, _NEAR**2)
    return np.asarray(flooded | (grow(flooded, _BAND) & (share < _MIDDLE)))


def _mean_of(lab: NDArray[np.float32], weight: Plane) -> NDArray[np.float32]:
    """Returns the mean colour around each pixel, by the weight of what is nearby."""
    near = np.maximum(box(weight, _BAND), 1e-6)
    return np.stack([box(lab[..., channel] * weight, _BAND) / near for channel in range(3)], axis=2)


def _without_specks(product: Region) -> Region:
    number = box(product.astype(np.float32), _SPECK_WINDOW) * (2 * _SPECK_WINDOW + 1) ** 2
    return flood(product & (number >= _SPECK), product)


def _of_alpha(alpha: bytes, size: tuple[int, int]) -> Region | None:
    """Returns the product that a transparency tells; None: it is none, such as rounded corners."""
    with Image.open(io.BytesIO(alpha), formats=("PNG",)) as image:
        levels = np.asarray(image.convert("L").resize(size, Image.Resampling.BOX))
    if (levels < _CLEAR).mean() < _CLEAR_SHARE:
        return None
    product = (levels >= _OPAQUE) | shrink(levels >= _CLEAR, 2)
    return product if _LEAST_COVER <= product.mean() <= 1 - _CLEAR_SHARE else None


def _is_plausible(product: Region) -> bool:
    at_edge = product[edge_strip(*product.shape)].mean()
    of_side = max(side.mean() for side in (product[0], product[-1], product[:, 0], product[:, -1]))
    is_before = at_edge <= _MOST_AT_EDGE and of_side <= _MOST_OF_SIDE
    return bool(_LEAST_COVER <= product.mean() <= _MOST_COVER and is_before)
