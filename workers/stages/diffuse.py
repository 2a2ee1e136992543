"""Diffusion: the recipe's engine part becomes pixels."""

from dataclasses import replace

from workers.picture import Context, Picture


def diffuse(picture: Picture, context: Context) -> Picture:
    """Renders through the model's backend, reporting every step.

    Raises:
        ModelError, Retryable: see workers.backends.Backend.render.
    """
    backend = context.workshop.backend(context.model)
    return replace(picture, pixels=backend.render(context.job.recipe.diffusion, context.report))
