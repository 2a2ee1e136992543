"""Origin of the picture, as its credentials tell it: drawn from words alone, or made from a picture that was opened.

That is a source, or a remote engine's file with credentials of its own. The render phase runs in another process: its part of the
history is told by the recipe and the master.
"""

import io
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import structlog
from msgspec import UNSET, structs
from PIL import Image

from imgen.domain.errors import InvalidField, ObjectNotFound, SourceLost
from imgen.domain.framing import drawn_window
from imgen.domain.job import utc_text
from imgen.domain.recipe import Input, Recipe, strength_of
from imgen.domain.studio import ENHANCE
from imgen.objects import ObjectStore
from imgen.provenance import encoding
from imgen.provenance.history import (
    ANSWER,
    CROPPED,
    ENHANCEMENT,
    OPENED,
    OPENED_ANSWER,
    RESIZED,
    SOURCE,
    Action,
    Ingredient,
    created,
    enlarged,
    redrawn,
)
from imgen.provenance.untrusted_image import convert, open_untrusted
from workers.engines.paste_back import redraws
from workers.picture import Context, Picture
from workers.stages.review import MAX_SEEN_SIDE, admits
from workers.stages.source import open_input, used_part

THUMBNAIL_PIXELS = 256
"""Long edge of a source's thumbnail in the credentials: about 10 KB, which all that is made from the picture carries on."""

log = structlog.get_logger(__name__)


def origin(picture: Picture, context: Context) -> Picture:
    """Notes the steps of the render phase. A source is the picture's parent, with a thumbnail and the credentials that it has.

    A remote engine's file that carries credentials is the parent instead, since there is one at most; the source is then what
    that was drawn from. Where those credentials cannot be kept, the history says itself that the picture is drawn.

    A source that no model drew over, because its strength is 0 or its mask keeps all, was cropped and resized at most; one of
    `enhance` was made better by plain arithmetic besides.

    Raises:
        SourceLost: the file of a source that was only cropped or resized is gone.
        Retryable: the object store does not answer, or a reviewer about a picture within an engine's credentials.
    """
    recipe, objects = context.job.recipe, context.resources.objects
    source = recipe.diffusion.input("source")
    larger = (enlarged(picture.upscaler),) if picture.upscaler else _reduced(recipe)
    if source is None:
        answer = _answer(picture, context)
        first = OPENED_ANSWER if answer else created(_model(picture, context), _when(picture))
        return replace(picture, actions=(first, *_adapted(picture, recipe), *larger), ingredients=answer)
    if recipe.mode == ENHANCE:
        steps: tuple[Action, ...] = (*_fitted(recipe, _size(objects, source)), *ENHANCEMENT, *larger)
    elif _is_redrawn(picture, recipe, objects):
        drawn_over = _drawn_over(picture, context)
        if answer := _answer(picture, context):
            steps = (*_adapted(picture, recipe), structs.replace(drawn_over, ingredient=SOURCE), *larger)
            ingredients = (*answer, _ingredient(objects, source, "inputTo"))
            return replace(picture, actions=(OPENED_ANSWER, *steps), ingredients=ingredients)
        steps = (*_cut(recipe, objects, source), drawn_over, *larger)
    else:
        steps = (*_fitted(recipe, _size(objects, source)), *larger)
    return replace(picture, actions=(OPENED, *steps), ingredients=(_ingredient(objects, source, "parentOf"),))


def _when(picture: Picture) -> str:
    return "" if picture.drawn_at is None else utc_text(picture.drawn_at)


def _model(picture: Picture, context: Context) -> str:
    """Returns the name of the model that drew: a remote engine's own name, else the label of ours."""
    told = picture.elsewhere
    return told.model if told is not None and told.model else context.model.label


def _drawn_over(picture: Picture, context: Context) -> Action:
    how = "Image to image" if context.job.recipe.diffusion.input("mask") is None else "Inpainting"
    return redrawn(_model(picture, context), _when(picture), how)


def _ingredient(objects: ObjectStore, source: Input, relationship: Literal["parentOf", "inputTo"]) -> Ingredient:
    thumbnail, file = _thumbnail(objects, source), _original(objects, source)
    return Ingredient(label=SOURCE, relationship=relationship, thumbnail=thumbnail, file=file)


def _answer(picture: Picture, context: Context) -> tuple[Ingredient, ...]:
    """Returns the remote engine's file as the parent; empty: it has no credentials, or none that the picture can carry.

    Raises:
        ReviewerUnavailable: a reviewer did not answer about a picture within them.
    """
    if not picture.answer_file:
        return ()
    answer = Ingredient(label=ANSWER, relationship="parentOf", file=picture.answer_file)
    if not context.resources.signer.carries(answer, admits=partial(admits, context)):
        log.warning("the credentials of an engine's picture cannot be kept", job=context.job.id)
        return ()
    return (structs.replace(answer, thumbnail=_answer_thumbnail(picture, context)),)


def _answer_thumbnail(picture: Picture, context: Context) -> bytes:
    """Makes a small copy of the engine's picture; empty: it shows more than the finished one, and was refused by review."""
    recipe, pixels = context.job.recipe, picture.pixels
    if recipe.diffusion.input("mask") is not None or CROPPED in _adapted(picture, recipe):
        try:
            with open_untrusted(picture.answer_file, "answer") as image:
                whole = convert(image, "RGBA")
        except InvalidField:  # the object store has another file now
            return b""
        whole.thumbnail((MAX_SEEN_SIDE, MAX_SEEN_SIDE))
        if not admits(context, np.asarray(whole)):
            return b""
        pixels = np.asarray(whole.convert("RGB"))
    return encoding.thumbnail(pixels, "jpeg", side=THUMBNAIL_PIXELS)


def _adapted(picture: Picture, recipe: Recipe) -> tuple[Action, ...]:
    """Returns the steps from what a remote engine drew to the size that was asked for, and to the frame within."""
    told, diffusion, frame = picture.elsewhere, recipe.diffusion, recipe.frame
    if told is None:
        return ()
    width, height = (diffusion.width, diffusion.height) if frame is UNSET else drawn_window(diffusion, frame)
    scale = max(diffusion.width / told.width, diffusion.height / told.height)
    is_cropped = told.width * scale - width >= 1 or told.height * scale - height >= 1
    return (*((CROPPED,) if is_cropped else ()), *((RESIZED,) if scale != 1 else ()))


def _is_redrawn(picture: Picture, recipe: Recipe, objects: ObjectStore) -> bool:
    """Returns whether a model drew over the source. A mask that is gone counts as one that let it.

    A remote engine may know no strength: without a mask it always did.
    """
    diffusion = recipe.diffusion
    mask = diffusion.input("mask")
    if mask is None and picture.elsewhere is not None:
        return True
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
