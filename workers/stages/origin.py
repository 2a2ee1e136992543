"""Origin of the picture, as its credentials tell it: drawn from words alone, or made from a source that was opened.

The render phase runs in another process: its part of the history is told by the recipe.
"""

import io
from dataclasses import replace

import numpy as np
import structlog
from msgspec import UNSET
from PIL import Image

from imgen.domain.errors import ObjectNotFound, SourceLost
from imgen.domain.framing import drawn_window
from imgen.domain.job import utc_text
from imgen.domain.recipe import Input, Recipe, strength_of
from imgen.domain.studio import ENHANCE
from imgen.objects import ObjectStore
from imgen.provenance import encoding
from imgen.provenance.history import (
    CROPPED,
    ENHANCEMENT,
    OPENED,
    RESIZED,
    SOURCE,
    Action,
    Ingredient,
    created,
    enlarged,
    redrawn,
)
from workers.engines.paste_back import redraws
from workers.picture import Context, Picture
from workers.stages.source import open_input, used_part

THUMBNAIL_PIXELS = 256
"""Long edge of a source's thumbnail in the credentials: about 10 KB, which all that is made from the picture carries on."""

log = structlog.get_logger(__name__)


def origin(picture: Picture, context: Context) -> Picture:
    """Notes the steps of the render phase. A source is the picture's parent, with a thumbnail and the credentials that it has.

    A source that no model drew over, because its strength is 0 or its mask keeps all, was cropped and resized at most; one of
    `enhance` was made better by plain arithmetic besides.

    Raises:
        SourceLost: the file of a source that was only cropped or resized is gone.
        Retryable: the object store does not answer.
    """
    recipe, model = context.job.recipe, context.model.label
    diffusion = recipe.diffusion
    source, objects = diffusion.input("source"), context.resources.objects
    when = "" if picture.drawn_at is None else utc_text(picture.drawn_at)
    larger = (enlarged(picture.upscaler),) if picture.upscaler else _reduced(recipe)
    if source is None:
        return replace(picture, actions=(created(model, when), *larger))
    if recipe.mode == ENHANCE:
        steps: tuple[Action, ...] = (*_fitted(recipe, _size(objects, source)), *ENHANCEMENT, *larger)
    elif _is_redrawn(recipe, objects):
        how = "Image to image" if diffusion.input("mask") is None else "Inpainting"
        steps = (*_cut(recipe, objects, source), redrawn(model, when, how), *larger)
    else:
        steps = (*_fitted(recipe, _size(objects, source)), *larger)
    parent = Ingredient(
        label=SOURCE, relationship="parentOf", thumbnail=_thumbnail(objects, source), file=_original(objects, source)
    )
    return replace(picture, actions=(OPENED, *steps), ingredients=(parent,))


def _is_redrawn(recipe: Recipe, objects: ObjectStore) -> bool:
    """Returns whether a model drew over the source. A mask that is gone counts as one that let it."""
    diffusion = recipe.diffusion
    mask = diffusion.input("mask")
    if strength_of(diffusion) == 0 or mask is None:
        return strength_of(diffusion) > 0
    try:
        levels = np.asarray(open_input(objects, mask).convert("L"))
    except SourceLost:
        return True
    return redraws(used_part(levels, recipe))


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


def _cut(recipe: Recipe, objects: ObjectStore, source: Input) -> tuple[Action, ...]:
    """Returns the step that gives a redrawn source the ratio of a frame; without a frame the whole picture is the model's."""
    if recipe.frame is UNSET:
        return ()
    try:
        return tuple(step for step in _fitted(recipe, _size(objects, source)) if step is CROPPED)
    except SourceLost:
        return ()


def _reduced(recipe: Recipe) -> tuple[Action, ...]:
    """Returns the step from what was drawn to a frame of another size that nothing enlarged."""
    frame = recipe.frame
    if frame is UNSET or (frame.width, frame.height) == drawn_window(recipe.diffusion, frame):
        return ()
    return (RESIZED,)


def _fitted(recipe: Recipe, source: tuple[int, int]) -> tuple[Action, ...]:
    """Returns the steps from a source of this width and height to the size that is drawn of it (see `source.fit`)."""
    diffusion, frame = recipe.diffusion, recipe.frame
    width, height = (diffusion.width, diffusion.height) if frame is UNSET else drawn_window(diffusion, frame)
    scale = max(width / source[0], height / source[1])
    is_cropped = source[0] * scale - width >= 1 or source[1] * scale - height >= 1
    return (*((CROPPED,) if is_cropped else ()), *((RESIZED,) if scale != 1 else ()))


def _size(objects: ObjectStore, source: Input) -> tuple[int, int]:
    try:
        file = objects.get(source.key)
    except ObjectNotFound as exc:
        raise SourceLost from exc
    with Image.open(io.BytesIO(file)) as image:
        return image.size
