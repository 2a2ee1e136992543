"""Paste-back: outside its mask an inpainted picture is the source again, pixel by pixel, but for a soft seam around the mask.

The seam lies on both sides of the mask's edge, or, where what is kept must stay exact, within what is redrawn.
"""

import numpy as np
from msgspec import UNSET
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imgen.domain.recipe import REDRAWN, Diffusion

SEAM_PX = 16
"""Greatest distance from the mask, along rows or columns, at which the picture may differ from the source."""
_GROWTH = SEAM_PX // 2
_SOFTNESS = SEAM_PX // 2 - 1  # less than the growth: inside the mask nothing of the source shows
_BAND_PIXELS = 1 << 18
"""Pixels of a band of rows, which is worked on at a time: of an export's 16 million, floats would take a gigabyte."""


def redraws(mask: NDArray[uint8]) -> bool:
    """Returns whether a mask (height, width) lets anything be redrawn."""
    return bool((mask >= REDRAWN).any())


def pasted_back(
    diffusion: Diffusion, drawn: NDArray[uint8], source: NDArray[uint8], mask: NDArray[uint8]
) -> NDArray[uint8]:
    """Returns the drawn picture with what its mask keeps, by the seam that the parameters ask for; see `paste_back`."""
    if diffusion.seam_px is UNSET:
        return paste_back(drawn, source, mask)
    return keep_exact(drawn, source, mask, seam_px=diffusion.seam_px)


def keep_exact(drawn: NDArray[uint8], source: NDArray[uint8], mask: NDArray[uint8], *, seam_px: int) -> NDArray[uint8]:
    """Returns the source, to the pixel, where the mask is black, and the drawn picture elsewhere, behind a seam around the black.

    In the seam the colours of what is kept fade out; those of the old ground beside it appear nowhere.

    Args:
        drawn: (height, width, 3).
        source: (height, width, 3).
        mask: (height, width); levels from REDRAWN on are white.
        seam_px: width of the seam.
    """
    height, width = mask.shape
    rows = max(1, _BAND_PIXELS // width)
    result = np.empty_like(source)
    for top in range(0, height, rows):
        above, bottom = max(0, top - seam_px), min(height, top + rows)
        seen = np.s_[above : bottom + seam_px]
        band = _kept_exact(drawn[seen], source[seen], mask[seen] < REDRAWN, seam_px)
        result[top:bottom] = band[top - above : bottom - above]
    return result


def _kept_exact(
    drawn: NDArray[uint8], source: NDArray[uint8], keeps: NDArray[np.bool_], seam_px: int
) -> NDArray[uint8]:
    kept = keeps[..., None]
    blur = ImageFilter.BoxBlur(seam_px)
    near = np.asarray(Image.fromarray(keeps.astype(uint8) * 255).filter(blur), np.float32)[..., None] / 255
    spread = np.asarray(Image.fromarray(np.where(kept, source, 0).astype(uint8)).filter(blur), np.float32)
    # Beside a straight edge the blur falls from seam / (2 seam + 1) to 0: there what is kept shows by seam / (seam + 1)
    factor = (2 * seam_px + 1) / (seam_px + 1)
    share = np.clip(near * factor, 0, 1)
    mixed = drawn * (1 - share) + spread * np.minimum(factor, 1 / np.maximum(near, 1e-6))
    return np.where(kept, source, np.clip(np.rint(mixed), 0, 255).astype(uint8))


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
