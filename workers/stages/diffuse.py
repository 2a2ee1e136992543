"""Diffusion: the recipe's engine part becomes pixels."""

from dataclasses import replace

from workers.picture import Context, Picture


def diffuse(picture: Picture, context: Context) -> Picture:
    """Renders through the model's engine, reporting every step.

    Raises:
        ModelError, Retryable: see workers.engines.Engine.render.
    """
    engine = context.workshop.engine(context.model)
    return replace(picture, pixels=engine.render(context.job.recipe.diffusion, context.report))
