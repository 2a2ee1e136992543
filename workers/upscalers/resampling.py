"""Enlargement without a network: Lanczos resampling, and restrained sharpening of what it softens."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

NAME = "lanczos"
"""Name in `meta`."""

_RADIUS = 0.5
"""Radius of the unsharp mask in pixels of the render: the softness that resampling adds, and no halo wider than that."""
_PERCENT = 40
_THRESHOLD = 2
"""Levels; flat areas keep their grain as it is."""


def enlarge(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Enlarges (H, W, 3) uint8, sRGB, by a whole factor."""
    height, width = pixels.shape[:2]
    return enlarge_to(pixels, (width * factor, height * factor))


def enlarge_to(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Enlarges (H, W, 3) uint8, sRGB, to a width and height."""
    factor = size[0] / pixels.shape[1]
    image = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    sharpened = image.filter(ImageFilter.UnsharpMask(_RADIUS * factor, _PERCENT, _THRESHOLD))
    return np.asarray(sharpened)


def reduce(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Reduces (H, W, 3) uint8 by a whole factor; each pixel is the mean of those that it stands for."""
    return np.asarray(Image.fromarray(pixels).reduce(factor))
