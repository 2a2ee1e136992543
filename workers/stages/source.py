"""Source and mask of a job: fetched, and fitted to the size that is drawn. Without a source these stages do nothing."""

import hashlib
import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.errors import ObjectNotFound, SourceLost
from imgen.domain.framing import drawn_window
from imgen.domain.recipe import Diffusion, Input, Recipe
from imgen.objects import ObjectStore
from imgen.provenance.intake import MAX_PIXELS
from workers.picture import Context, Picture

PORTRAIT_TOP_SHARE = 1 / 3
"""Share of a cut height that a portrait format loses above: a face in the upper third stays there."""
_REDUCING_GAP = 3.0
"""Of Pillow's resize: great reductions are made in two steps, whose result cannot be told from one."""


def fetch(picture: Picture, context: Context) -> Picture:
    """Reads and decodes source and mask if the recipe has them.

    Raises:
        SourceLost: a file is gone, or is not the one that the gate stored.
        Retryable: the object store does not answer.
    """
    diffusion, objects = context.job.recipe.diffusion, context.resources.objects
    source, mask = diffusion.input("source"), diffusion.input("mask")
    if source is None:
        return picture
    return replace(
        picture,
        source=np.asarray(open_input(objects, source).convert("RGB")),
        mask=None if mask is None else np.asarray(open_input(objects, mask).convert("L")),
    )


def fit(picture: Picture, context: Context) -> Picture:
    """Scales and crops source and mask, both alike, to the size that is drawn.

    Where a frame is cut out of the drawn picture, they fill it, and are mirrored around it: nothing of them is lost to the cut.
    """
    if picture.source is None:
        return picture
    recipe = context.job.recipe
    mask = None if picture.mask is None else surrounded(used_part(picture.mask, recipe), recipe.diffusion)
    return replace(picture, source=surrounded(used_part(picture.source, recipe), recipe.diffusion), mask=mask)


def used_part(pixels: NDArray[np.uint8], recipe: Recipe, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Returns the part of a source or mask that the finished picture shows.

    Args:
        pixels: (h, w) or (h, w, 3), whole.
        recipe: of the job.
        size: width and height of the result; None: as large as it is drawn.
    """
    if not recipe.frame:
        return cover(pixels, recipe.diffusion.width, recipe.diffusion.height)
    is_portrait = recipe.frame.height > recipe.frame.width
    width, height = size or drawn_window(recipe.diffusion, recipe.frame)
    return cover(pixels, width, height, top_share=PORTRAIT_TOP_SHARE if is_portrait else 0.5)


def surrounded(pixels: NDArray[np.uint8], diffusion: Diffusion) -> NDArray[np.uint8]:
    """Returns a picture, (h, w) or (h, w, 3), in the middle of the size that is drawn, mirrored around it."""
    top, left = diffusion.height - pixels.shape[0], diffusion.width - pixels.shape[1]
    if top == left == 0:
        return pixels
    sides = [(top // 2, top - top // 2), (left // 2, left - left // 2), (0, 0)][: pixels.ndim]
    return np.pad(pixels, sides, mode="symmetric")


def cover(pixels: NDArray[np.uint8], width: int, height: int, *, top_share: float = 0.5) -> NDArray[np.uint8]:
    """Returns a picture scaled to cover a size, without what stands out.

    Args:
        pixels: (h, w) or (h, w, 3).
        width: of the result.
        height: of the result.
        top_share: share of what stands out above and below that is cut off above; to the left and right it is the same.
    """
    own_height, own_width = pixels.shape[:2]
    scale = max(width / own_width, height / own_height)
    across, down = width / scale, height / scale
    left, top = (own_width - across) / 2, (own_height - down) * top_share
    if scale == 1:  # a part of a pixel would soften all of them
        left, top = int(left), int(top)
    box = (left, top, min(left + across, own_width), min(top + down, own_height))
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box, _REDUCING_GAP))


def open_input(objects: ObjectStore, given: Input) -> Image.Image:
    """Reads and decodes an input.

    Raises:
        SourceLost: its file is gone, or is not the one that the gate stored.
        Retryable: the object store does not answer.
    """
    try:
        body = objects.get(given.key)
    except ObjectNotFound as exc:
        raise SourceLost from exc
    if hashlib.sha256(body).hexdigest() != given.sha256:
        raise SourceLost
    image = Image.open(io.BytesIO(body), formats=("PNG",))
    if image.width * image.height > MAX_PIXELS:
        raise SourceLost
    image.load()
    return image
