"""Arguments that the engine gives to a pipeline's call, and those that a call needs beyond them. Needs no torch."""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from imgen.domain.errors import ModelError
from workers.engines.diffusers.acting import GUIDED_BY, TRUE_CFG, read_signature
from workers.engines.diffusers.model_files import read_index
from workers.engines.diffusers.scheduler_steps import PICTURES, PRIOR

GIVEN = frozenset(
    {
        "prompt",
        "negative_prompt",
        "width",
        "height",
        "num_inference_steps",
        "guidance_scale",
        "generator",
        "output_type",
        PICTURES.callback,
        PRIOR.callback,
    }
)
"""Arguments of every call from words alone, under the names of most pipelines."""


def refuse_parts(folder: Path, call: Iterable[str]) -> None:
    """Refuses a folder whose pipeline draws only with more than words, such as the decoder of a cascade.

    Args:
        folder: with the model's index.
        call: names of the further arguments by the model's entry.

    Raises:
        ModelError: its call needs arguments that no request has.
    """
    name = str(read_index(folder)["_class_name"])
    if missing := missing_arguments(read_signature(name), call):
        raise ModelError(f"{folder} does not draw from words: the call of {name} needs {' and '.join(missing)}")


def missing_arguments(signature: Mapping[str, Any], call: Iterable[str]) -> list[str]:
    """Returns the arguments without a default that a call is not given.

    Args:
        signature: the call's arguments, each with its default, `inspect.Parameter.empty` for none.
        call: names of the further arguments by the model's entry.
    """
    given = {*GIVEN, *GUIDED_BY, TRUE_CFG, *call}
    return [name for name, default in signature.items() if default is inspect.Parameter.empty and name not in given]
