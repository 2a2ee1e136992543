"""Origin of the picture, as its credentials tell it: drawn from words alone, or made from a source that was opened.

The render phase runs in another process: its part of the history is told by the recipe.
"""

import io
from dataclasses import replace

from PIL import Image

from imgen.domain.job import utc_text
from imgen.domain.recipe import Diffusion
from imgen.provenance.history import CROPPED, OPENED, RESIZED, SOURCE, Action, Ingredient, created, enlarged, redrawn
from workers.picture import Context, Picture


def origin(picture: Picture, context: Context) -> Picture:
    """Notes the steps of the render phase. A source is the picture's parent; its own credentials are fetched if it has some.

    A source that no model drew over, because its strength is 0, was cropped and resized at most.

    Raises:
        Retryable: the object store does not answer.
    """
    diffusion, model = context.job.recipe.diffusion, context.model.label
    source, objects = diffusion.input("source"), context.resources.objects
    when = "" if picture.drawn_at is None else utc_text(picture.drawn_at)
    larger = (enlarged(picture.upscaler),) if picture.upscaler else ()
    if source is None:
        return replace(picture, actions=(created(model, when), *larger))
    if source.strength > 0:
        how = "Image to image" if diffusion.input("mask") is None else "Inpainting"
        steps: tuple[Action, ...] = (redrawn(model, when, how), *larger)
    else:
        steps = (*_fitted(diffusion, _size(objects.get(source.key))), *larger)
    original = objects.get(source.original_key) if source.original_key else b""
    parent = Ingredient(label=SOURCE, relationship="parentOf", file=original)
    return replace(picture, actions=(OPENED, *steps), ingredients=(parent,))


def _fitted(diffusion: Diffusion, source: tuple[int, int]) -> tuple[Action, ...]:
    """Returns the steps from a source of this width and height to the size asked for (see `source.fit`)."""
    scale = max(diffusion.width / source[0], diffusion.height / source[1])
    is_cropped = source[0] * scale - diffusion.width >= 1 or source[1] * scale - diffusion.height >= 1
    return (*((CROPPED,) if is_cropped else ()), *((RESIZED,) if scale != 1 else ()))


def _size(file: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(file)) as image:
        return image.size
