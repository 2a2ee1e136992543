"""Frame: the part of the drawn picture that is exported, cut out before it is enlarged, and its exact size after it.

Without a frame in the recipe these stages do nothing, nor to the pixels of an earlier attempt.
"""

from dataclasses import replace

import numpy as np
from msgspec import UNSET
from PIL import Image

from imgen.domain.framing import drawn_window
from workers.engines.paste_back import keep_exact
from workers.picture import Context, Picture
from workers.stages import source

_REDUCING_GAP = 3.0
"""Of Pillow's resize: great reductions are made in two steps, whose result cannot be told from one."""


def cut(picture: Picture, context: Context) -> Picture:
    """Cuts the frame out of the middle of what was drawn."""
    recipe = context.job.recipe
    if recipe.frame is UNSET or picture.is_resumed:
        return picture
    width, height = drawn_window(recipe.diffusion, recipe.frame)
    top, left = (recipe.diffusion.height - height) // 2, (recipe.diffusion.width - width) // 2
    return replace(picture, pixels=np.ascontiguousarray(picture.pixels[top : top + height, left : left + width]))


def resize(picture: Picture, context: Context) -> Picture:
    """Scales the pixels to the exact size. A product is then taken from its source once more, which may be finer than it.

    Raises:
        SourceLost: the file of the product's source is gone.
        Retryable: the object store does not answer.
    """
    recipe = context.job.recipe
    if recipe.frame is UNSET or picture.is_resumed:
        return picture
    size = recipe.frame.width, recipe.frame.height
    if picture.pixels.shape[1::-1] != size:
        image = Image.fromarray(picture.pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
        picture = replace(picture, pixels=np.asarray(image))
    seam_px = recipe.diffusion.seam_px
    if seam_px is UNSET or size == drawn_window(recipe.diffusion, recipe.frame):
        return picture
    whole = source.fetch(Picture(), context)
    if whole.source is None or whole.mask is None:
        raise AssertionError("a product is kept, and there is no mask of it")
    fine, mask = (source.used_part(pixels, recipe, size) for pixels in (whole.source, whole.mask))
    return replace(picture, pixels=keep_exact(picture.pixels, fine, mask, seam_px=seam_px))
