"""Steps of pipelines whose call takes no step callback (PixArt, Kandinsky, IF): those of their scheduler are called back for."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

Callback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]
"""Callback as diffusers calls it: (pipeline, number of the step from 0, timestep, tensors by name) → tensors."""


@contextmanager
def followed(pipe: Any, callback: Callback) -> Iterator[None]:
    """Calls back after each step of the scheduler, with its `latents`, if the pipeline's call takes no callback for that."""
    if "callback_on_step_end" in inspect.signature(pipe.__call__).parameters:
        yield
        return
    scheduler = pipe.scheduler
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
