"""Identity of the weights that draw a request: one digest of the model's, of its own components' and of a LoRA file's.

The weights of a remote model are elsewhere and cannot be read: its identity is all that its entry says of its engines.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from imgen.domain.catalog import Model
from imgen.domain.engine_options import DiffusersOptions, RemoteOptions
from imgen.weights.digest import joined


def names_of(model: Model, lora: str = "") -> tuple[str, ...]:
    """Returns the names of all weights that draw, as configured; `lora` is empty where none is used."""
    return tuple(dict.fromkeys(name for name in (model.source, *components_of(model).values(), lora) if name))


def identity(model: Model, lora: str, digests: Mapping[str, str]) -> str:
    """Returns the digest of all together.

    Args:
        model: its entry.
        lora: name of the LoRA file; empty: none.
        digests: digest by name, for each of `names_of`.
    """
    replaced = (f"{part}: {digests[name]}" for part, name in sorted(components_of(model).items()))
    return joined(digests[model.source], *replaced, *((digests[lora],) if lora else ()))


def components_of(model: Model) -> Mapping[str, str]:
    """Returns the names of a model's own components, as configured."""
    return model.engine.components if isinstance(model.engine, DiffusersOptions) else {}


def identity_elsewhere(options: RemoteOptions, lora: str, workflows: Mapping[str, str]) -> str:
    """Returns the digest of what a remote model's entry says of its engines, in their order; prices do not count.

    A picture of any of them stands for the model, as the operator has them draw in each other's place.

    Args:
        options: of the model.
        lora: the engine's name of the LoRA file; empty: none.
        workflows: digest of each workflow's file, by name; empty where it is not on this machine.
    """
    choices = [
        (msgspec.to_builtins(msgspec.structs.replace(choice, price=None)), workflows.get(choice.workflow, ""))
        for choice in options.engines
    ]
    return hashlib.sha256(msgspec.json.encode((choices, lora), order="deterministic")).hexdigest()
