"""Loops of a pipeline's call: where it takes no callback (PixArt, Kandinsky 2.1, IF), its scheduler's steps are followed."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

Callback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]
"""Callback as diffusers calls it: (pipeline, number of the step from 0, timestep, tensors by name) → tensors."""


class Loop(NamedTuple):
    """Loop of steps in a pipeline's call."""

    callback: str
    """Argument of the call for a callback at the end of each step."""
    scheduler: str
    """Component that makes the steps."""


PICTURES = Loop("callback_on_step_end", "scheduler")
PRIOR = Loop("prior_callback_on_step_end", "prior_scheduler")
"""Loop before the pictures' own, which makes their embeddings (Kandinsky, Stable Cascade, Stable unCLIP)."""


@contextmanager
def followed(pipe: Any, loop: Loop, callback: Callback) -> Iterator[None]:
    """Calls back after each step of a loop's scheduler, with its `latents`, if the pipeline's call takes no callback for that.

    Without that scheduler the pipeline has no such loop, and nothing is done.
    """
    scheduler = getattr(pipe, loop.scheduler, None)
    if scheduler is None or loop.callback in inspect.signature(pipe.__call__).parameters:
        yield
        return
    step, given = scheduler.step, vars(scheduler).get("step")
    done = 0

    @wraps(step)
    def told(*args: Any, **options: Any) -> Any:
        nonlocal done
        result = step(*args, **options)
        timestep = options["timestep"] if "timestep" in options else args[1]
        callback(pipe, done, timestep, {"latents": result[0]})
        done += 1
        return result

    scheduler.step = told
    try:
        yield
    finally:
        del scheduler.step  # the class has its own
        if given is not None:
            scheduler.step = given
