"""Diffusion: the engine turns the recipe's diffusion part into pixels."""

import time
from dataclasses import replace

from workers.picture import Context, Picture


def diffuse(picture: Picture, context: Context) -> Picture:
    """Renders with the model's engine and reports every step.

    Raises:
        ModelError, Retryable: see workers.engines.Engine.render.
    """
    engine = context.resources.engine(context.model)
    pixels = engine.render(context.job.recipe.diffusion, context.report)
    return replace(picture, pixels=pixels, drawn_at=time.time())
