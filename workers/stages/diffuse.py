"""Diffusion: the engine turns the recipe's diffusion part into pixels."""

import time
from dataclasses import replace

from imgen.domain.errors import PictureFlagged
from imgen.domain.review.verdict import PictureBlocked
from workers import spool
from workers.picture import Context, Picture
from workers.stages import review
from workers.stages.master import decoded


def diffuse(picture: Picture, context: Context) -> Picture:
    """Renders with the model's engine and reports every step; the time limit begins when the model is loaded.

    An earlier attempt's pixels are taken where the object store did not take them (see `master.keep`).

    Raises:
        ModelError, Retryable: see workers.engines.Engine.render.
        PictureBlocked: the model's own safety checker flagged the picture.
        TimedOut: the render took longer than its model's limit.
    """
    kept = spool.load(context.resources.settings.data_dir, context.job.id)
    if kept is not None:
        return decoded(picture, kept)
    with context.loading():
        engine = context.resources.models.engine(context.model)
    try:
        with context.limited(context.model.time_limit_s):
            pixels = engine.render(context.job.recipe.diffusion, context.report)
    except PictureFlagged as exc:
        raise PictureBlocked(review.flagged_by_model(context)) from exc
    return replace(picture, pixels=pixels, drawn_at=time.time())
