"""Scheduler of a pipeline as the model's entry has it: another class, other options."""

import inspect
from typing import Any

import diffusers as untyped_diffusers

from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ModelError

diffusers: Any = untyped_diffusers


def chosen_scheduler(key: str, options: DiffusersOptions, current: Any) -> Any:
    """Makes the scheduler of a model's entry out of the model's own; returns that if the entry asks for nothing.

    Raises:
        ModelError: the class does not fit the model, or an option the class.
    """
    if not options.scheduler and not options.scheduler_options:
        return current
    choices = {kind.__name__: kind for kind in (type(current), *current.compatibles)}
    if type(current).__name__.startswith("FlowMatch"):  # diffusers lists none for these, though they share one schedule
        choices |= {kind: getattr(diffusers, kind) for kind in dir(diffusers) if kind.startswith("FlowMatch")}
    name = options.scheduler or type(current).__name__
    if name not in choices:
        known = ", ".join(sorted(choices))
        raise ModelError(f"models.toml: {key}: scheduler {name!r} does not fit; these do: {known}")
    _check(key, name, inspect.signature(choices[name].__init__).parameters, options.scheduler_options)
    return choices[name].from_config(current.config, **options.scheduler_options)


def _check(key: str, name: str, parameters: Any, given: dict[str, Any]) -> None:
    """Compares options with the parameters of a scheduler's class, by name and by the kind of the default.

    Raises:
        ModelError: one is unknown, or of another kind.
    """
    known = {parameter for parameter in parameters if parameter != "self"}
    if unknown := sorted(set(given) - known):
        takes = ", ".join(sorted(known))
        raise ModelError(
            f"models.toml: {key}: scheduler_options: {name} takes no {', '.join(unknown)}; it takes {takes}"
        )
    for option, value in given.items():
        wanted = _kind(parameters[option].default)
        if wanted and _kind(value) != wanted:
            raise ModelError(f"models.toml: {key}: scheduler_options: {option} of {name} is {wanted}, not {value!r}")


def _kind(value: object) -> str:
    """Describes a value's kind; empty: one that many kinds may take the place of, such as None."""
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"))
    return next((words for kind, words in kinds if isinstance(value, kind)), "")
