"""Checks of the files of weights that the configuration names: models, their components, LoRA files, upscalers."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from imgen.cli.doctor.finding import Warned
from imgen.configuration import load_catalog, shadowed_weights
from imgen.domain.catalog import Catalog, Model
from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ConfigurationError, ImgenError
from imgen.settings import Settings
from imgen.weights.lookup import in_order

Found = Path | ImgenError | str
"""Path of weights, what is wrong with them, or words where there is no path."""
_LATER = "is fetched by the first worker"


def models(loaded: Settings) -> str:
    """Finds the files of each model and component and reads their headers; a hub id is looked up in the local cache alone."""
    text = _all_found(models_found(loaded))
    shadowing = shadowed_weights(loaded)
    return Warned("\n".join([text, *shadowing])) if shadowing else text


def characters(loaded: Settings) -> str:
    """Finds the LoRA files of each character, reads their headers, and compares them with those of their model."""
    catalog = load_catalog(loaded)
    found = {
        f"{character.key} for {model}": _lora_found(loaded, catalog, name, catalog.models.get(model))
        for character in catalog.characters.values()
        for model, name in character.loras.items()
    }
    text = _all_found(found) or "none with a LoRA"
    return Warned(text) if any(isinstance(one, Warned) for one in found.values()) else text


def upscalers(loaded: Settings) -> str:
    """Finds the networks of `[workers] upscalers`, and loads each if this machine has what it takes."""
    found = upscalers_found(loaded)
    if importlib.util.find_spec("spandrel") is not None:
        scales = loaded.workers.upscalers
        found = {_setting(scale): _loaded_upscaler(found[_setting(scale)], int(scale)) for scale in scales}
    return _all_found(found) or "none: Lanczos enlarges"


def models_found(loaded: Settings) -> dict[str, Found]:
    """Finds the files of each model, by its key, and of its components, by key and setting."""
    catalog = load_catalog(loaded)
    found: dict[str, Found] = {}
    for model in catalog.models.values():
        found[model.key] = path = _model_found(loaded, catalog, model)
        if isinstance(model.engine, DiffusersOptions):
            found |= _components_found(loaded, catalog, model, path)
    return found


def upscalers_found(loaded: Settings) -> dict[str, Found]:
    """Finds the file of each upscaler, by its setting, and reads its header."""
    from workers.upscalers.files import find_upscaler  # workers are no part of the API, but of these commands

    shipped = load_catalog(loaded).shipped
    found: dict[str, Found] = {}
    for scale, name in loaded.workers.upscalers.items():
        try:
            path = find_upscaler(name, in_order(name, loaded.model_folders, shipped))
        except ImgenError as exc:
            found[_setting(scale)] = exc
        else:
            found[_setting(scale)] = path.resolve()
    return found


def _setting(scale: str) -> str:
    return f"[workers] upscalers {scale}"


def _loaded_upscaler(found: Found, scale: int) -> Found:
    if not isinstance(found, Path):
        return found
    from workers.upscalers.network import load

    try:
        load(found, scale=scale).unload()
    except ImgenError as exc:
        return exc
    return found


def _components_found(loaded: Settings, catalog: Catalog, model: Model, path: Found) -> dict[str, Found]:
    """Returns the paths of a model's own components, by the setting of each."""
    from workers.engines.diffusers.components import config_of, find_component, is_hub_id_only

    found: dict[str, Found] = {}
    options = model.engine
    if not isinstance(options, DiffusersOptions):
        return found
    config = config_of(path) if isinstance(path, Path) else None
    for name, source in options.components.items():
        where, folders = f"{model.key} {name}", _folders(loaded, catalog, source)
        if loaded.workers.allow_downloads and is_hub_id_only(source, folders):
            found[where] = _LATER
            continue
        try:
            found[where] = find_component(name, source, folders, config, allow_downloads=False).resolve()
        except ImgenError as exc:
            found[where] = exc
    return found


def _component_paths(loaded: Settings, catalog: Catalog, model: Model, path: Path) -> dict[str, Path]:
    """Returns the paths of a model's own components.

    Raises:
        ModelError: one is missing or wrong.
    """
    from workers.engines.diffusers.components import config_of, find_components

    options = model.engine
    if not isinstance(options, DiffusersOptions):
        return {}
    return find_components(
        model.key,
        options.components,
        lambda source: _folders(loaded, catalog, source),
        config_of(path),
        allow_downloads=False,
    )


def _lora_found(loaded: Settings, catalog: Catalog, name: str, model: Model | None) -> Found:
    if model is not None and model.is_remote:
        left_out = "left out of the model's characters: none of its engines takes a LoRA"
        return f"{name}, a file of its engines" if model.takes_loras else Warned(left_out)
    from workers.engines.diffusers.lora_check import check_fit, check_lora
    from workers.engines.diffusers.model_files import find_lora

    try:
        path = find_lora(name, _folders(loaded, catalog, name))
        model_path = None if model is None else _model_found(loaded, catalog, model)
        if model is None or not isinstance(model.engine, DiffusersOptions) or not isinstance(model_path, Path):
            check_lora(path)
            return path
        components = _component_paths(loaded, catalog, model, model_path)
        is_compared = check_fit(path, model_path, leave_out=model.engine.leave_out, components=components)
    except ImgenError as exc:
        return exc
    return path if is_compared else f"{path}; the worker that loads it compares its layers with the model's"


def _model_found(loaded: Settings, catalog: Catalog, model: Model) -> Found:
    from workers.engines.diffusers.components import is_hub_id_only
    from workers.engines.diffusers.given_arguments import refuse_parts
    from workers.engines.diffusers.model_files import find_model, in_cache

    options = model.engine
    if not isinstance(options, DiffusersOptions):
        return "draws without files"
    folders = _folders(loaded, catalog, model.source)
    is_fetched = loaded.workers.allow_downloads and is_hub_id_only(model.source, folders)
    try:
        if is_fetched and in_cache(model.source) is None:
            return _LATER
        without = (*options.leave_out, *options.components)
        path = find_model(model.source, folders, allow_downloads=False, leave_out=without)
        if path.is_dir():
            refuse_parts(path, options.call)
    except ImgenError as exc:
        return exc
    return path.resolve()


def _folders(loaded: Settings, catalog: Catalog, name: str) -> tuple[Path, ...]:
    return in_order(name, loaded.model_folders, catalog.shipped)


def _all_found(found: Mapping[str, Found]) -> str:
    """Formats what was found, a line each.

    Raises:
        ConfigurationError: something is missing or broken; the lines are the message.
    """
    text = "\n".join(f"{key}: {value}" for key, value in found.items())
    if any(isinstance(value, ImgenError) for value in found.values()):
        raise ConfigurationError(text)
    return text
