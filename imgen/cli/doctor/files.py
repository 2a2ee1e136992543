"""Checks of the operator's files: models and LoRA files with their resolved paths, plans, rulesets, match lists."""

from collections.abc import Mapping
from pathlib import Path

from imgen.cli.doctor.finding import Warned
from imgen.configuration import load_catalog, load_plans, load_rulesets, shadowed_weights
from imgen.domain.catalog import Catalog, DiffusersOptions, Model
from imgen.domain.errors import ConfigurationError, ImgenError
from imgen.provenance import matchlist
from imgen.settings import Settings
from imgen.weights.lookup import in_order


def models(loaded: Settings) -> str:
    """Finds the files of each model and reads their headers; a hub id is looked up in the local cache alone."""
    catalog = load_catalog(loaded)
    text = _all_found({model.key: _model_found(loaded, catalog, model) for model in catalog.models.values()})
    shadowing = shadowed_weights(loaded)
    return Warned("\n".join([text, *shadowing])) if shadowing else text


def characters(loaded: Settings) -> str:
    """Finds the LoRA files of each character, reads their headers, and compares them with those of their model."""
    catalog = load_catalog(loaded)
    models = {model.key: _model_found(loaded, catalog, model) for model in catalog.models.values()}
    found = {
        f"{character.key} for {model}": _lora_found(loaded, catalog, name, catalog.models.get(model), models.get(model))
        for character in catalog.characters.values()
        for model, name in character.loras.items()
    }
    return _all_found(found) or "none with a LoRA"


def plans(loaded: Settings) -> str:
    """Reads the plans; warns of one whose rate locks its pollers out."""
    found = load_plans(loaded)
    shortfalls = [plan.shortfall for plan in found.values() if plan.shortfall]
    return Warned("\n".join([", ".join(found), *shortfalls])) if shortfalls else ", ".join(found)


def rulesets(loaded: Settings) -> str:
    """Reads the rulesets."""
    return ", ".join(load_rulesets(loaded))


def match_lists(loaded: Settings) -> str:
    """Reads the match lists."""
    paths = [path for folder in (loaded.config_dir, loaded.data_dir) for path in (folder / "matches").glob("*.csv")]
    hashes = sum(len(matchlist.parse(path.read_text("utf-8"), str(path)).hashes) for path in paths)
    return f"{hashes} hashes in {len(paths)} lists"


def _lora_found(
    loaded: Settings, catalog: Catalog, name: str, model: Model | None, model_path: Path | ImgenError | str | None
) -> Path | ImgenError | str:
    from workers.engines.diffusers.lora_check import check_fit, check_lora
    from workers.engines.diffusers.model_files import find_lora

    try:
        path = find_lora(name, in_order(name, loaded.model_folders, catalog.shipped))
        if model is None or not isinstance(model.engine, DiffusersOptions) or not isinstance(model_path, Path):
            check_lora(path)
            return path
        is_compared = check_fit(path, model_path, leave_out=model.engine.leave_out)
    except ImgenError as exc:
        return exc
    return path if is_compared else f"{path}; the worker that loads it compares its layers with the model's"


def _model_found(loaded: Settings, catalog: Catalog, model: Model) -> Path | ImgenError | str:
    from workers.engines.diffusers.model_files import find_model  # workers are no part of the API, but of this command

    if not isinstance(model.engine, DiffusersOptions):
        return "draws without files"
    try:
        folders = in_order(model.source, loaded.model_folders, catalog.shipped)
        return find_model(model.source, folders, allow_downloads=False, leave_out=model.engine.leave_out).resolve()
    except ImgenError as exc:
        is_later = loaded.workers.allow_downloads and not Path(model.source).is_absolute()
        return "is fetched by the first worker" if is_later else exc


def _all_found(found: Mapping[str, Path | ImgenError | str]) -> str:
    """Formats what was found, a line each.

    Raises:
        ConfigurationError: something is missing or broken; the lines are the message.
    """
    text = "\n".join(f"{key}: {value}" for key, value in found.items())
    if any(isinstance(value, ImgenError) for value in found.values()):
        raise ConfigurationError(text)
    return text
