"""Diffusion: the engine turns the recipe's diffusion part into pixels."""

import time
from dataclasses import replace

from imgen.domain.errors import PictureFlagged
from imgen.domain.review.verdict import PictureBlocked
from workers.picture import Context, Picture
from workers.stages import review


def diffuse(picture: Picture, context: Context) -> Picture:
    """Renders with the model's engine and reports every step.

    Raises:
        ModelError, Retryable: see workers.engines.Engine.render.
        PictureBlocked: the model's own safety checker flagged the picture.
    """
    engine = context.resources.engine(context.model)
    try:
        pixels = engine.render(context.job.recipe.diffusion, context.report)
    except PictureFlagged as exc:
        raise PictureBlocked(review.flagged_by_model(context)) from exc
    return replace(picture, pixels=pixels, drawn_at=time.time())
