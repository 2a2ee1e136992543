"""Pipelines of diffusers, built from checked files: weights, dtype, device, scheduler. Renders nothing."""

from pathlib import Path
from typing import Any

import diffusers as untyped_diffusers
import torch
from diffusers.loaders import single_file_utils as untyped_single_file_utils
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError

from imgen.domain.catalog import DiffusersOptions, Model
from imgen.domain.errors import ModelError
from workers.engines import EngineContext, Requirements
from workers.engines.device import model_error
from workers.engines.diffusers.memory import estimate
from workers.engines.diffusers.model_files import check_folder, find_model, in_cache, read_index

diffusers: Any = untyped_diffusers  # half its functions have no types, which mypy would count against our calls
single_file_utils: Any = untyped_single_file_utils

LOAD_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ImportError,
    RuntimeError,
    MemoryError,
    SafetensorError,
)
"""Errors of diffusers and transformers on files that they cannot use; neither has an exception of its own."""

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_FP16 = ".fp16.safetensors"


def check_entry(model: Model, options: DiffusersOptions, context: EngineContext) -> Requirements:
    """Checks all that can be known before any weights are loaded. Returns their path, device and size.

    Raises:
        ModelError: a file is missing or unsafe, or the entry asks for a device or dtype that this machine does not have.
    """
    path = _found(model, options, context)
    device = _device(model.key, options.device)
    dtype = _dtype(model.key, options.dtype, device)
    size = estimate(path, dtype, leave_out=options.leave_out)
    return Requirements(path=path, device=_memory_of(device), memory_bytes=size)


def build(model: Model, options: DiffusersOptions, context: EngineContext) -> Any:
    """Builds the model's pipeline on its device.

    Raises:
        ModelError: a file is missing or unsafe, or the entry asks for what diffusers or this machine does not have.
    """
    downloads, leave_out = context.allow_downloads, options.leave_out
    path = _found(model, options, context)
    device = _device(model.key, options.device)
    arguments = {
        "dtype": _dtype(model.key, options.dtype, device),
        "local_files_only": True,
        **dict.fromkeys(leave_out),
    }
    try:
        if path.is_dir():
            pipe = _from_folder(path, arguments)
        else:
            pipe = _from_file(model.key, options, path, arguments, allow_downloads=downloads)
        if unknown := [name for name in leave_out if name not in pipe.components]:
            raise ModelError(f"models.toml: {model.key}: leave_out: {type(pipe).__name__} has no {', '.join(unknown)}")
        pipe.scheduler = _scheduler(model.key, options.scheduler, pipe.scheduler)
        pipe.to(device)
    except LOAD_ERRORS as exc:
        raise model_error(exc, f"models.toml: {model.key}: {path} cannot be loaded: {exc}") from exc
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _found(model: Model, options: DiffusersOptions, context: EngineContext) -> Path:
    folders = context.folders_of(model.source)
    return find_model(model.source, folders, allow_downloads=context.allow_downloads, leave_out=options.leave_out)


def _from_folder(folder: Path, arguments: dict[str, Any]) -> Any:
    # Many folders hold half-precision files only, under names of their own; diffusers wants to be told.
    half = any(
        not file.with_name(file.name.replace(_FP16, ".safetensors")).exists() for file in folder.glob(f"*/*{_FP16}")
    )
    return diffusers.DiffusionPipeline.from_pretrained(
        folder, use_safetensors=True, variant="fp16" if half else None, **arguments
    )


def _from_file(
    key: str, options: DiffusersOptions, file: Path, arguments: dict[str, Any], *, allow_downloads: bool
) -> Any:
    """Loads a single file, which holds weights only; their configuration is in a folder beside it, named like it.

    That folder is a diffusers folder without weights (`model_index.json`, configurations, tokenizers). Without one,
    diffusers tells from the weights whose configuration fits, and the hub or its cache is asked for it.
    """
    config = file.with_suffix("")
    if not config.is_dir():
        weights = single_file_utils.load_single_file_checkpoint(str(file))
        owner = single_file_utils.fetch_diffusers_config(weights)["pretrained_model_name_or_path"]
        config = _configuration(owner, file, allow_downloads=allow_downloads)
    check_folder(config, leave_out=options.leave_out)
    name = options.pipeline or str(read_index(config)["_class_name"])
    pipeline: Any = getattr(diffusers, name, None)
    if not hasattr(pipeline, "from_single_file"):
        raise ModelError(f"models.toml: {key}: {name} is no pipeline that diffusers loads from a single file")
    return pipeline.from_single_file(str(file), config=str(config), **arguments)


def _configuration(owner: str, file: Path, *, allow_downloads: bool) -> Path:
    if (cached := in_cache(owner)) is not None:
        return cached
    hint = f"{file.name} holds weights only; put the configuration of {owner} into {file.with_suffix('')}/"
    if not allow_downloads:
        raise ModelError(f"{hint}, or allow downloads")
    try:
        patterns = ["*.json", "*.txt", "**/*.json", "**/*.txt", "**/*.model"]
        return Path(snapshot_download(owner, allow_patterns=patterns))
    except (OSError, ValueError, HfHubHTTPError) as exc:
        raise ModelError(f"{hint}: the hub did not give it") from exc


def _scheduler(key: str, name: str, current: Any) -> Any:
    if not name:
        return current
    choices = {kind.__name__: kind for kind in (type(current), *current.compatibles)}
    if type(current).__name__.startswith("FlowMatch"):  # diffusers lists none for these, though they share one schedule
        choices |= {kind: getattr(diffusers, kind) for kind in dir(diffusers) if kind.startswith("FlowMatch")}
    if name not in choices:
        known = ", ".join(sorted(choices))
        raise ModelError(f"models.toml: {key}: scheduler {name!r} does not fit; these do: {known}")
    return choices[name].from_config(current.config)


def _device(key: str, name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ModelError(f"models.toml: {key}: no device {name!r}") from exc
    if not available.get(device.type):
        there = ", ".join(kind for kind, there in available.items() if there)
        raise ModelError(f"models.toml: {key}: device {name!r} is not on this machine, which has {there}")
    return device


def _memory_of(device: torch.device) -> str:
    """Returns the name of a device's memory: that of MPS is the machine's own."""
    return f"cuda:{device.index or 0}" if device.type == "cuda" else "cpu"


def _dtype(key: str, name: str, device: torch.device) -> torch.dtype:
    """Returns the dtype; `auto`: one in which the kind of device is fast and exact enough."""
    if name == "auto":
        half = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
        return torch.float32 if device.type == "cpu" else half
    if name not in DTYPES:
        raise ModelError(f"models.toml: {key}: no dtype {name!r}; there are auto, {', '.join(DTYPES)}")
    return DTYPES[name]
