"""Load of a model's own components, from folders or single files; each must have all weights of its class, in their shapes."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import diffusers as untyped_diffusers
import torch
import transformers as untyped_transformers
from accelerate import init_empty_weights
from diffusers.loaders import single_file_model as untyped_single_file_model
from safetensors import SafetensorError
from safetensors.torch import load_file

from imgen.domain.errors import ModelError
from workers.engines.device import model_error
from workers.engines.diffusers.components import class_of
from workers.engines.diffusers.model_files import read_index
from workers.engines.diffusers.placement import Placement
from workers.engines.diffusers.variants import variant_of

diffusers: Any = untyped_diffusers
transformers: Any = untyped_transformers

LOAD_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    RuntimeError,
    MemoryError,
    SafetensorError,
)
"""Errors of diffusers and transformers on files that they cannot use; neither has an exception of its own."""
RENAMINGS: Any = untyped_single_file_model.SINGLE_FILE_LOADABLE_CLASSES
"""Functions from the names of a first release to diffusers', by class."""

SHOWN = 3
"""Names of weights in a message."""


def load_components(key: str, paths: Mapping[str, Path], config: Path, placement: Placement) -> dict[str, Any]:
    """Loads components, in main memory.

    Args:
        key: the model's, for messages.
        paths: from `components.find_components`.
        config: folder with the model's index, and with configurations for single files without one beside them.
        placement: dtype of the weights.

    Raises:
        ModelError: one does not fit the model.
        OutOfMemory, DeviceLost: the device's own.
    """
    loaded, index = {}, read_index(config)
    for name, path in paths.items():
        try:
            library, kind = class_of(name, path, index)
            load = _from_folder if path.is_dir() else _from_file
            loaded[name] = load(class_named(library, kind), path, config / name, placement)
        except ModelError as exc:
            raise ModelError(f"models.toml: {key}: components: {name}: {exc}") from exc
        except LOAD_ERRORS as exc:
            first_line = (str(exc) or type(exc).__name__).splitlines()[0]  # of what may be one for each weight
            text = f"models.toml: {key}: components: {name}: {path} cannot be loaded: {first_line}"
            raise model_error(exc, text) from exc
    return loaded


def class_named(library: str, kind: str) -> Any:
    """Returns a class of diffusers or transformers that can be loaded. Raises ModelError if there is none."""
    found: Any = getattr({"diffusers": diffusers, "transformers": transformers}[library], kind, None)
    if not hasattr(found, "from_pretrained"):
        raise ModelError(f"{library} has no class {kind} to load")
    return found


def _from_folder(kind: Any, path: Path, _config: Path, placement: Placement) -> Any:
    if not issubclass(kind, torch.nn.Module):
        return kind.from_pretrained(path, local_files_only=True)
    variant = variant_of((f"{path.name}/{file.name}" for file in path.iterdir()), is_half=placement.is_half)
    part, told = kind.from_pretrained(
        path,
        use_safetensors=True,
        variant=variant,
        local_files_only=True,
        output_loading_info=True,
        **_dtype(kind, placement),
    )
    refuse_misfits(path, kind, told["missing_keys"], (), (name for name, *_ in told["mismatched_keys"]))
    return part


def _from_file(kind: Any, path: Path, config: Path, placement: Placement) -> Any:
    folder = next((one for one in (path.with_suffix(""), config) if (one / "config.json").is_file()), None)
    if folder is None:
        places = f"{path.with_suffix('')}/ or {config}/"
        raise ModelError(f"{path.name} holds weights only; put the config.json of its {kind.__name__} into {places}")
    weights = load_file(path)
    if issubclass(kind, transformers.PreTrainedModel):
        settings = kind.config_class.from_pretrained(folder, local_files_only=True)
        part, told = kind.from_pretrained(
            None, config=settings, state_dict=weights, output_loading_info=True, **_dtype(kind, placement)
        )
        unused = told["unexpected_keys"]
        refuse_misfits(path, kind, told["missing_keys"], unused, (name for name, *_ in told["mismatched_keys"]))
        return part
    if kind.__name__ not in RENAMINGS:
        raise ModelError(f"diffusers loads no {kind.__name__} from a single file; give a folder with its config.json")
    return _converted(kind, path, weights, kind.load_config(folder, local_files_only=True)).to(placement.dtype)


def _converted(kind: Any, path: Path, weights: dict[str, torch.Tensor], settings: dict[str, Any]) -> Any:
    """Makes a part of weights under the names of its first release, or of diffusers.

    Not by `from_single_file`, which drops weights that its configuration has no place for, and only logs that.
    """
    with init_empty_weights():
        part = kind.from_config(settings)
    shapes = {name: tensor.shape for name, tensor in part.state_dict().items()}
    weights = renamed(kind, path, weights, settings, shapes)
    misshapen = [name for name in shapes if name in weights and weights[name].shape != shapes[name]]
    refuse_misfits(path, kind, shapes.keys() - weights.keys(), weights.keys() - shapes.keys(), misshapen)
    part.load_state_dict(weights, assign=True)
    return part.eval()


def renamed(
    kind: Any, path: Path, weights: dict[str, torch.Tensor], settings: dict[str, Any], names: Collection[str]
) -> dict[str, torch.Tensor]:
    """Returns the weights of a file under the names of its class in diffusers.

    Raises:
        ModelError: they have neither these names nor those of a first release.
    """
    if 2 * len(weights.keys() & names) >= len(names):  # the first releases share a few names with diffusers
        return weights
    try:
        converted: dict[str, torch.Tensor] = RENAMINGS[kind.__name__]["checkpoint_mapping_fn"](
            config=settings, checkpoint=weights
        )
    except (LookupError, TypeError, AttributeError, RuntimeError) as exc:
        refusal = f"the names of the weights in {path} are no {kind.__name__}'s that diffusers knows"
        raise model_error(exc, refusal) from exc
    return converted


def _dtype(kind: Any, placement: Placement) -> dict[str, torch.dtype]:
    """Returns the argument that each of the two libraries has for the dtype."""
    return {"dtype" if issubclass(kind, transformers.PreTrainedModel) else "torch_dtype": placement.dtype}


def refuse_misfits(
    path: Path, kind: Any, missing: Iterable[str], unused: Iterable[str], misshapen: Iterable[str]
) -> None:
    """Raises ModelError if a part would have random weights, or a file has others than the part."""
    for names, words in ((missing, "lacks"), (misshapen, "has in another size"), (unused, "has more than it:")):
        if found := sorted(names):
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            what = f"{path} does not fit the model's {kind.__name__}"
            raise ModelError(f"{what}: it {words} {', '.join(found[:SHOWN])}{more}")
