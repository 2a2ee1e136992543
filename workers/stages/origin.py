"""Origin of the picture, as its credentials tell it: drawn from words alone, or made from a source that was opened.

The render phase runs in another process: its part of the history is told by the recipe.
"""

import io
from dataclasses import replace

import numpy as np
import structlog
from PIL import Image

from imgen.domain.errors import ObjectNotFound, SourceLost
from imgen.domain.job import utc_text
from imgen.domain.recipe import Diffusion, Input, strength_of
from imgen.objects import ObjectStore
from imgen.provenance import encoding
from imgen.provenance.history import CROPPED, OPENED, RESIZED, SOURCE, Action, Ingredient, created, enlarged, redrawn
from workers.engines.paste_back import redraws
from workers.picture import Context, Picture
from workers.stages.source import cover, open_input

THUMBNAIL_PIXELS = 256
"""Long edge of a source's thumbnail in the credentials: about 10 KB, which all that is made from the picture carries on."""

log = structlog.get_logger(__name__)


def origin(picture: Picture, context: Context) -> Picture:
    """Notes the steps of the render phase. A source is the picture's parent, with a thumbnail and the credentials that it has.

    A source that no model drew over, because its strength is 0 or its mask keeps all, was cropped and resized at most.

    Raises:
        SourceLost: the file of a source that was only cropped or resized is gone.
        Retryable: the object store does not answer.
    """
    diffusion, model = context.job.recipe.diffusion, context.model.label
    source, objects = diffusion.input("source"), context.resources.objects
    when = "" if picture.drawn_at is None else utc_text(picture.drawn_at)
    larger = (enlarged(picture.upscaler),) if picture.upscaler else ()
    if source is None:
        return replace(picture, actions=(created(model, when), *larger))
    if _is_redrawn(diffusion, objects):
        how = "Image to image" if diffusion.input("mask") is None else "Inpainting"
        steps: tuple[Action, ...] = (redrawn(model, when, how), *larger)
    else:
        steps = (*_fitted(diffusion, _size(objects, source)), *larger)
    parent = Ingredient(
        label=SOURCE, relationship="parentOf", thumbnail=_thumbnail(objects, source), file=_original(objects, source)
    )
    return replace(picture, actions=(OPENED, *steps), ingredients=(parent,))


def _is_redrawn(diffusion: Diffusion, objects: ObjectStore) -> bool:
    """Returns whether a model drew over the source. A mask that is gone counts as one that let it."""
    mask = diffusion.input("mask")
    if strength_of(diffusion) == 0 or mask is None:
        return strength_of(diffusion) > 0
    try:
        levels = np.asarray(open_input(objects, mask).convert("L"))
    except SourceLost:
        return True
    return redraws(cover(levels, diffusion.width, diffusion.height))


def _thumbnail(objects: ObjectStore, source: Input) -> bytes:
    """Makes a small copy of the source as the gate stored it and reviewers saw it; empty: it is gone."""
    try:
        image = open_input(objects, source)
    except SourceLost:
        return b""
    return encoding.thumbnail(np.asarray(image.convert("RGB")), "jpeg", side=THUMBNAIL_PIXELS)


def _original(objects: ObjectStore, source: Input) -> bytes:
    """Reads the source as it was sent; empty: it has no credentials, or is gone, and the ingredient is named without them."""
    if not source.original_key:
        return b""
    try:
        return objects.get(source.original_key)
    except ObjectNotFound:
        log.warning("the credentials of a source are gone", key=source.original_key)
        return b""


def _fitted(diffusion: Diffusion, source: tuple[int, int]) -> tuple[Action, ...]:
    """Returns the steps from a source of this width and height to the size asked for (see `source.fit`)."""
    scale = max(diffusion.width / source[0], diffusion.height / source[1])
    is_cropped = source[0] * scale - diffusion.width >= 1 or source[1] * scale - diffusion.height >= 1
    return (*((CROPPED,) if is_cropped else ()), *((RESIZED,) if scale != 1 else ()))


def _size(objects: ObjectStore, source: Input) -> tuple[int, int]:
    try:
        file = objects.get(source.key)
    except ObjectNotFound as exc:
        raise SourceLost from exc
    with Image.open(io.BytesIO(file)) as image:
        return image.size
