"""Trial of a model's files: every component is built on torch's `meta` device and compared with the headers of its weights.

Costs a second or so and no memory, so that a model that cannot be loaded is told before another one is unloaded for it. Passes
over what only a load can tell: components with code or quantization of their own, text encoders within a single file.
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers as untyped_transformers
from accelerate import init_empty_weights
from diffusers.models import modeling_utils as untyped_modeling_utils
from diffusers.pipelines import pipeline_loading_utils as untyped_loading

from imgen.domain.errors import ImgenError, ModelError
from imgen.weights.safetensors_file import SAFETENSORS
from workers.engines.device import model_error
from workers.engines.diffusers.component_loading import (
    LOAD_ERRORS,
    RENAMINGS,
    class_named,
    diffusers,
    refuse_misfits,
    renamed,
)
from workers.engines.diffusers.components import CONFIGS, LIBRARIES, class_of, config_of_part
from workers.engines.diffusers.fitting_sizes import refuse_misfits_between
from workers.engines.diffusers.model_files import read_index
from workers.engines.diffusers.variants import variant_of
from workers.meta_weights import on_meta

transformers: Any = untyped_transformers
modeling_utils: Any = untyped_modeling_utils
loading: Any = untyped_loading

STEMS = ("diffusion_pytorch_model", "model")
"""Names of files with weights, as diffusers and transformers write them."""
CHECKPOINT_PARTS = ("unet", "transformer", "vae")
"""Components of a single file that are compared."""

Weights = dict[str, torch.Tensor]


def try_out(
    path: Path,
    config: Path | None,
    *,
    leave_out: tuple[str, ...] = (),
    components: Mapping[str, Path],
    pipeline: str = "",
    is_half: bool = False,
) -> None:
    """Compares all components of a model with their weights' names and shapes, and loads those without weights.

    Args:
        path: its folder or single file, whose headers were checked.
        config: folder with its index and configurations; None: known to the hub alone, so that nothing can be compared.
        leave_out: components that are not loaded.
        components: folders or single files in place of the model's own components.
        pipeline: class of the pipeline in place of the index's; empty: the index's.
        is_half: whether weights of half precision are loaded where there are such.

    Raises:
        ModelError: it cannot be loaded, or would draw with random weights.
    """
    if config is None:
        return
    index = read_index(config)
    drawn_by = pipeline or str(index["_class_name"])
    _refuse_incomplete(config, drawn_by, index, leave_out, components)
    loaded = {name for name, value in index.items() if isinstance(value, list) and value[1] is not None} - {*leave_out}
    folders = {name: components.get(name, config / name) for name in loaded | components.keys()}
    refuse_misfits_between(str(path), drawn_by, {name: config_of_part(part) for name, part in folders.items()})
    for name, value in index.items():
        if name in leave_out or name.startswith("_") or not isinstance(value, list):
            continue
        if name not in components and (value[0] not in LIBRARIES or value[1] is None):
            continue
        part = components.get(name, path / name if path.is_dir() else path)
        with _told(part):
            if name in components:
                kind = class_named(*class_of(name, part, index))
            else:
                kind, _ = loading.get_class_obj_and_candidates(*value, {}, None, is_pipeline_module=False)
            if part == path:
                _try_checkpoint(name, kind, path, config / name)
            elif part.is_file():
                _try_file(kind, part, config / name)
            else:
                _try_folder(kind, part, is_half=is_half)


@contextmanager
def _told(part: Path) -> Iterator[None]:
    """Makes a ModelError of the libraries' errors on a component, and passes over those that only a trial meets."""
    try:
        yield
    except (ImgenError, *LOAD_ERRORS) as exc:
        cause = exc.__cause__ or exc
        if isinstance(cause, NotImplementedError) or "meta tensor" in str(
            cause
        ):  # the numbers themselves are asked for
            return
        if isinstance(exc, ImgenError):
            raise
        first_line = (str(exc) or type(exc).__name__).splitlines()[0]
        raise model_error(exc, f"{part} cannot be loaded: {first_line}") from exc


def _refuse_incomplete(
    config: Path, pipeline: str, index: Mapping[str, object], leave_out: Iterable[str], components: Iterable[str]
) -> None:
    """Raises ModelError if diffusers has no such pipeline, or if the index lacks a component that it needs."""
    kind: Any = getattr(diffusers, pipeline, None)
    if kind is None:
        raise ModelError(f"{config}/model_index.json: diffusers has no {pipeline}")
    parameters = inspect.signature(kind.__init__).parameters
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty and name != "self"}
    if lacking := sorted(needed - index.keys() - set(leave_out) - set(components)):
        raise ModelError(f"{config}/model_index.json lacks {', '.join(lacking)}, which {pipeline} needs")


def _try_folder(kind: Any, folder: Path, *, is_half: bool) -> None:
    if not folder.is_dir():
        if any((folder.parent / config).is_file() for config in CONFIGS):
            return  # diffusers looks for it beside the index then
        raise ModelError(f"{folder} is missing")
    if not issubclass(kind, torch.nn.Module):
        kind.from_pretrained(folder, local_files_only=True)
        return
    variant = variant_of((f"{folder.name}/{file.name}" for file in folder.iterdir()), is_half=is_half)
    if (files := weights_of(folder, variant)) and not _is_beyond(kind, folder):
        _compare(kind, folder, folder, on_meta(files))


def _try_file(kind: Any, file: Path, config: Path) -> None:
    folder = next((one for one in (file.with_suffix(""), config) if (one / "config.json").is_file()), None)
    if folder is not None and not _is_beyond(kind, folder):
        _compare(kind, file, folder, on_meta([file]))


def _try_checkpoint(name: str, kind: Any, file: Path, config: Path) -> None:
    if name in CHECKPOINT_PARTS and kind.__name__ in RENAMINGS and (config / "config.json").is_file():
        _compare(kind, file, config, on_meta([file]))


def weights_of(folder: Path, variant: str | None) -> list[Path]:
    """Returns the files with weights that are loaded of a component's folder; none: it has both whole files and shards.

    Raises:
        ModelError: there is none, or a shard is missing.
    """
    for infix in dict.fromkeys((f".{variant}" if variant else "", "")):
        whole = [file for stem in STEMS if (file := folder / f"{stem}{infix}{SAFETENSORS}").is_file()]
        names = (f"{stem}{SAFETENSORS}.index{infix}.json" for stem in STEMS)
        indexes = [file for name in names if (file := folder / name).is_file()]
        if whole and indexes:
            return []
        if whole:
            return whole[:1]
        if indexes:
            shards = sorted(set(json.loads(indexes[0].read_bytes())["weight_map"].values()))
            if missing := [shard for shard in shards if not (folder / shard).is_file()]:
                raise ModelError(f"{folder} lacks {', '.join(missing[:3])}, which {indexes[0].name} names")
            return [folder / shard for shard in shards]
    raise ModelError(f"{folder} has no weights, which are {SAFETENSORS} files")


def _is_beyond(kind: Any, folder: Path) -> bool:
    """Returns whether a component is loaded in ways that are not followed here."""
    is_known = issubclass(kind, modeling_utils.ModelMixin) or issubclass(kind, transformers.PreTrainedModel)
    if not is_known or issubclass(kind, modeling_utils.LegacyModelMixin):
        return True
    return "quantization_config" in json.loads((folder / "config.json").read_bytes())


def _compare(kind: Any, path: Path, config: Path, weights: Weights) -> None:
    """Raises ModelError if a component lacks weights of its class, or has them in other shapes."""
    if issubclass(kind, transformers.PreTrainedModel):
        settings = kind.config_class.from_pretrained(config, local_files_only=True)
        _, told = kind.from_pretrained(
            None,
            config=settings,
            state_dict=weights,
            device_map={"": "meta"},
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        refuse_misfits(path, kind, told["missing_keys"], (), (name for name, *_ in told["mismatched_keys"]))
        return
    settings = kind.load_config(config, local_files_only=True)
    with modeling_utils.no_init_weights(), init_empty_weights():
        made = kind.from_config(settings)
    shapes = {name: tensor.shape for name, tensor in made.state_dict().items()}
    if path.is_dir():
        made._fix_state_dict_keys_on_load(weights)  # noqa: SLF001 - as a load does
    else:
        weights = renamed(kind, path, weights, settings, shapes)
    misshapen = [name for name in shapes if name in weights and weights[name].shape != shapes[name]]
    refuse_misfits(path, kind, shapes.keys() - weights.keys(), (), misshapen)
