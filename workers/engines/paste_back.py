"""Paste-back: outside its mask an inpainted picture is the source again, pixel by pixel, but for a soft seam around the mask."""

import numpy as np
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imgen.domain.recipe import REDRAWN

SEAM_PX = 16
"""Greatest distance from the mask, along rows or columns, at which the picture may differ from the source."""
_GROWTH = SEAM_PX // 2
_SOFTNESS = SEAM_PX // 2 - 1  # less than the growth: inside the mask nothing of the source shows


def redraws(mask: NDArray[uint8]) -> bool:
    """Returns whether a mask (height, width) lets anything be redrawn."""
    return bool((mask >= REDRAWN).any())


def paste_back(drawn: NDArray[uint8], source: NDArray[uint8], mask: NDArray[uint8]) -> NDArray[uint8]:
    """Returns the drawn picture where the mask is white, the source where it is black, and a mixture within the seam.

    Args:
        drawn: (height, width, 3).
        source: (height, width, 3).
        mask: (height, width); levels from REDRAWN on are white.
    """
    redrawn = Image.fromarray(np.where(mask >= REDRAWN, 255, 0).astype(uint8))
    grown = redrawn.filter(ImageFilter.BoxBlur(_GROWTH)).point(lambda level: 255 if level else 0)
    weight = np.asarray(grown.filter(ImageFilter.BoxBlur(_SOFTNESS)), np.float32)[..., None] / 255
    mixed = np.rint(drawn * weight + source * (1 - weight)).astype(uint8)
    return np.where(weight > 0, mixed, source)
