"""Upscaling of the render by the factor that the recipe asks for; reviewed, branded and signed is what comes out of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgen.domain.catalog import MOST_PIXELS
from imgen.domain.errors import (
    DeadlinePassed,
    ModelError,
    ModelNotLoaded,
    NoTimeLeft,
    OutOfMemory,
    TimedOut,
    TimeLimitPassed,
)
from imgen.domain.job import TASK_LIMIT_S, TASK_MARGIN_S
from imgen.weights.lookup import in_order
from workers import upscalers
from workers.engines import DrawPreview, OnStep, draw_no_preview
from workers.failed_loads import state_of
from workers.memory_pool import Demand
from workers.picture import Context, Picture
from workers.upscalers import Plan, files, resampling

if TYPE_CHECKING:
    from workers.upscalers import network

DRAWN_QUARTERS = 3
"""Share of the progress that is the drawing's where a network enlarges, in quarters."""


def check(picture: Picture, context: Context) -> Picture:
    """Checks the network's file and tries it out, before anything is drawn in vain or any model is unloaded for it.

    Without a network or a factor it does nothing.

    Raises:
        ModelNotLoaded: it is missing or wrong.
    """
    plan = _plan(context)
    if plan is not None:
        try:
            _try_out(plan, context)
        except ModelError as exc:
            raise ModelNotLoaded(str(exc)) from exc
    return picture


def upscale(picture: Picture, context: Context) -> Picture:
    """Enlarges the pixels, without a network to their exact size; those of an earlier attempt are enlarged already.

    Raises:
        ModelNotLoaded: the network cannot be loaded.
        OutOfMemory: it does not find memory for a small tile.
        Cancelled, TimedOut, LeaseLost: the work is to stop; asked between two tiles.
        NoTimeLeft: the other jobs of its task took the time that it needed.
    """
    recipe = context.job.recipe
    if recipe.diffusion.upscale == 1 or picture.upscaler:
        return picture
    plan = _plan(context)
    if plan is None:
        context.release()  # the next render needs not wait for the CPU
        enlarged = resampling.enlarge_to(picture.pixels, recipe.size)
        return replace(picture, pixels=enlarged, upscaler=resampling.NAME)
    try:
        with context.resources.device, context.limited(_left_s(context)):
            context.checkpoint()
            pixels = _by_network(picture.pixels, plan, context)
    except (DeadlinePassed, TimeLimitPassed):
        raise
    except TimedOut as exc:
        if not context.is_shared():
            raise
        raise NoTimeLeft from exc  # the next task is its own
    return replace(picture, pixels=pixels, upscaler=plan.name)


def drawing_report(context: Context) -> OnStep:
    """Returns the step callback of the drawing, whose progress leaves room for the tiles of a network."""
    if _plan(context) is None:
        return context.report

    def report(done: int, total: int, draw_preview: DrawPreview) -> None:
        context.report(done * DRAWN_QUARTERS, total * 4, draw_preview)

    return report


def _left_s(context: Context) -> float:
    """Returns the rest of the task's time: its jobs are enlarged one after the other."""
    return TASK_LIMIT_S - TASK_MARGIN_S - (time() - (context.job.claimed_at or time()))


def _by_network(pixels: NDArray[np.uint8], plan: Plan, context: Context) -> NDArray[np.uint8]:
    for number in range(plan.passes):

        def on_tile(done: int, total: int, number: int = number) -> None:
            parts = total * plan.passes
            context.report(parts * DRAWN_QUARTERS + number * total + done, parts * 4, draw_no_preview)

        pixels = _pass(pixels, plan, context, on_tile)
    return pixels if plan.reduction == 1 else resampling.reduce(pixels, plan.reduction)


def _pass(
    pixels: NDArray[np.uint8], plan: Plan, context: Context, on_tile: Callable[[int, int], None]
) -> NDArray[np.uint8]:
    """Enlarges by one pass; where not even small tiles find memory, once more without whatever else is loaded."""
    memory, tile = context.resources.models.memory, context.resources.settings.workers.upscale_tile
    try:
        return _network(plan, context).enlarge(pixels, tile=tile, on_tile=on_tile)
    except OutOfMemory:
        if not memory.unload_others(_key(plan)):
            raise
    # After the except block: its error holds what was drawn by half
    return _network(plan, context).enlarge(pixels, tile=tile, on_tile=on_tile)


def _network(plan: Plan, context: Context) -> "network.UpscalingNetwork":
    """Returns the plan's network, loaded; the device's lock is held."""
    from workers.upscalers import network  # torch takes seconds, and finish workers do without it

    models = context.resources.models
    held = models.memory.get(_key(plan))
    if isinstance(held, network.UpscalingNetwork):
        return held
    path = _found(plan, context)
    state = state_of([path])
    demand = Demand(path.stat().st_size, network.device_name())
    try:
        with context.loading():
            return models.memory.load(
                _key(plan), demand, lambda take_room: network.load(path, scale=plan.scale, take_room=take_room)
            )
    except ModelError as exc:
        models.failed.remember(_key(plan), plan, state, exc)
        raise ModelNotLoaded(str(exc)) from exc


def _try_out(plan: Plan, context: Context) -> None:
    """Tries out a network that is not loaded. Raises ModelError if it cannot be."""
    from workers.upscalers import network

    models, path = context.resources.models, _found(plan, context)
    with context.resources.device:
        if models.memory.get(_key(plan)) is None:
            models.failed.refuse(_key(plan), plan, state_of([path]))
            network.try_out(path, scale=plan.scale)


def _found(plan: Plan, context: Context) -> Path:
    """Returns the checked file of a plan's network. Raises ModelNotLoaded if it is missing or wrong."""
    resources = context.resources
    folders = in_order(plan.name, resources.settings.model_folders, resources.catalog.shipped)
    try:
        return files.find_upscaler(plan.name, folders)
    except ModelError as exc:
        raise ModelNotLoaded(str(exc)) from exc


def _plan(context: Context) -> Plan | None:
    """Returns the network's plan; None: there is none, or the picture is a source of more pixels than any model draws."""
    diffusion = context.job.recipe.diffusion
    if diffusion.upscale == 1 or diffusion.width * diffusion.height > MOST_PIXELS:
        return None
    return upscalers.plan(diffusion.upscale, context.resources.settings.workers.upscalers)


def _key(plan: Plan) -> str:
    """Returns the key in the memory pool, which no model has."""
    return f"upscaler {plan.name}"
