"""Pipelines of diffusers, built from checked files: weights, dtype, device, scheduler. Renders nothing."""

from pathlib import Path
from typing import Any

import diffusers as untyped_diffusers
from diffusers.loaders import single_file_utils as untyped_single_file_utils
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from imgen.domain.catalog import Model
from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ModelError
from workers.engines import EngineContext, Requirements
from workers.engines.device import model_error
from workers.engines.diffusers.component_loading import LOAD_ERRORS, load_components
from workers.engines.diffusers.components import config_of, find_components
from workers.engines.diffusers.given_arguments import refuse_parts
from workers.engines.diffusers.lora_check import check_fit
from workers.engines.diffusers.memory import estimate
from workers.engines.diffusers.model_files import check_folder, find_lora, find_model, in_cache, read_index
from workers.engines.diffusers.placement import Placement, place
from workers.engines.diffusers.schedulers import chosen_scheduler
from workers.engines.diffusers.speed import settle_device, speed_up
from workers.engines.diffusers.trial import try_out
from workers.engines.diffusers.vae_precision import settle_vae
from workers.engines.diffusers.variants import variant_of

diffusers: Any = untyped_diffusers  # half its functions have no types, which mypy would count against our calls
single_file_utils: Any = untyped_single_file_utils


def check_entry(model: Model, options: DiffusersOptions, context: EngineContext) -> Requirements:
    """Checks all that can be known before any weights are loaded. Returns their path, device and size.

    Raises:
        ModelError: a file is missing or unsafe, or the entry asks for a device or dtype that this machine does not have.
    """
    placement = place(model.key, options)
    path = _found(model, options, context, placement)
    components = _components(model, options, context, config_of(path))
    size = estimate(path, placement.dtype, leave_out=options.leave_out, components=components)
    named = {options.components[name]: part for name, part in components.items()}
    return Requirements(path=path, components=named, device=placement.memory, memory_bytes=size)


def try_entry(model: Model, options: DiffusersOptions, context: EngineContext) -> None:
    """Tries out the files of a checked entry. Raises ModelError: see `trial.try_out`."""
    placement = place(model.key, options)
    path = _found(model, options, context, placement)
    config = config_of(path)
    try:
        try_out(
            path,
            config,
            leave_out=options.leave_out,
            components=_components(model, options, context, config),
            pipeline=options.pipeline if path.is_file() else "",
            is_half=placement.is_half,
        )
    except ModelError as exc:
        raise ModelError(f"models.toml: {model.key}: {exc}") from exc


def check_lora_of(model: Model, options: DiffusersOptions, context: EngineContext, lora: str) -> None:
    """Compares a LoRA file with the files of a checked entry. Raises ModelError: see `lora_check.check_fit`."""
    path = _found(model, options, context, place(model.key, options))
    components = _components(model, options, context, config_of(path))
    check_fit(find_lora(lora, context.folders_of(lora)), path, leave_out=options.leave_out, components=components)


def build(model: Model, options: DiffusersOptions, context: EngineContext) -> Any:
    """Builds the model's pipeline on its device.

    Raises:
        ModelError: a file is missing or unsafe, or the entry asks for what diffusers or this machine does not have.
    """
    leave_out = options.leave_out
    placement = place(model.key, options)
    path = _found(model, options, context, placement)
    try:
        config = path if path.is_dir() else _configuration_of(path, options, allow_downloads=context.allow_downloads)
        components = _components(model, options, context, config)
        arguments = {
            "dtype": placement.dtype,
            "local_files_only": True,
            **dict.fromkeys(leave_out),
            **load_components(model.key, components, config, placement),
        }
        if path.is_dir():
            pipe = _from_folder(path, arguments, is_half=placement.is_half)
        else:
            pipe = _from_file(model.key, options, path, config, arguments)
        if unknown := [name for name in leave_out if name not in pipe.components]:
            raise ModelError(f"models.toml: {model.key}: leave_out: {type(pipe).__name__} has no {', '.join(unknown)}")
        pipe.scheduler = chosen_scheduler(model.key, options, pipe.scheduler)
        if hasattr(pipe, "decoder_pipe"):  # the half of a cascade that draws
            pipe.decoder_pipe.scheduler = pipe.scheduler
        context.take_room()
        settle(pipe, placement)
    except LOAD_ERRORS as exc:
        raise model_error(exc, f"models.toml: {model.key}: {path} cannot be loaded: {exc}") from exc
    return pipe


def settle(pipe: Any, placement: Placement) -> None:
    """Moves a pipeline to its device and makes it ready to draw there."""
    pipe.to(placement.device)
    settle_vae(pipe, placement)
    speed_up(pipe, placement.device)
    settle_device(pipe, placement.device)
    pipe.set_progress_bar_config(disable=True)


def _found(model: Model, options: DiffusersOptions, context: EngineContext, placement: Placement) -> Path:
    path = find_model(
        model.source,
        context.folders_of(model.source),
        allow_downloads=context.allow_downloads,
        leave_out=_not_of_source(options),
        is_half=placement.is_half,
    )
    if path.is_dir():
        refuse_parts(path, options.call)
    return path


def _not_of_source(options: DiffusersOptions) -> tuple[str, ...]:
    """Returns the components that are not loaded from the source."""
    return (*options.leave_out, *options.components)


def _components(
    model: Model, options: DiffusersOptions, context: EngineContext, config: Path | None
) -> dict[str, Path]:
    return find_components(
        model.key, options.components, context.folders_of, config, allow_downloads=context.allow_downloads
    )


def _from_folder(folder: Path, arguments: dict[str, Any], *, is_half: bool) -> Any:
    variant = variant_of((f"{file.parent.name}/{file.name}" for file in folder.glob("*/*")), is_half=is_half)
    return diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True, variant=variant, **arguments)


def _configuration_of(file: Path, options: DiffusersOptions, *, allow_downloads: bool) -> Path:
    """Returns the folder with the configuration of a single file, which holds weights only.

    That is a diffusers folder without weights (`model_index.json`, configurations, tokenizers), beside the file and named like
    it. Without one, diffusers tells from the weights whose configuration fits, and the hub or its cache is asked for it.
    """
    config = file.with_suffix("")
    if not config.is_dir():
        weights = single_file_utils.load_single_file_checkpoint(str(file))
        owner = single_file_utils.fetch_diffusers_config(weights)["pretrained_model_name_or_path"]
        config = _configuration(owner, file, allow_downloads=allow_downloads)
    check_folder(config, leave_out=_not_of_source(options))
    return config


def _from_file(key: str, options: DiffusersOptions, file: Path, config: Path, arguments: dict[str, Any]) -> Any:
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
