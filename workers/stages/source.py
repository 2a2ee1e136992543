"""Source and mask of a job: fetched, and fitted to the size asked for. Without a source these stages do nothing."""

import hashlib
import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.errors import ObjectNotFound, SourceLost
from imgen.domain.recipe import Input
from imgen.objects import ObjectStore
from imgen.provenance.intake import MAX_PIXELS
from workers.picture import Context, Picture

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
    """Scales and crops source and mask, both alike, to the size asked for."""
    if picture.source is None:
        return picture
    size = context.job.recipe.diffusion.width, context.job.recipe.diffusion.height
    mask = None if picture.mask is None else cover(picture.mask, *size)
    return replace(picture, source=cover(picture.source, *size), mask=mask)


def cover(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Returns a picture, (h, w) or (h, w, 3), scaled to cover a size, without what stands out to both sides alike."""
    own_height, own_width = pixels.shape[:2]
    scale = max(width / own_width, height / own_height)
    across, down = width / scale, height / scale
    left, top = (own_width - across) / 2, (own_height - down) / 2
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
