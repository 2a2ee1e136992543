"""Checks of the operator's files: models and LoRA files with their resolved paths, plans, rulesets, match lists."""

from pathlib import Path

from imgen.cli.doctor.finding import Warned
from imgen.configuration import load_catalog, load_plans, load_rulesets
from imgen.domain.catalog import DiffusersOptions, Model
from imgen.domain.errors import ConfigurationError, ImgenError
from imgen.provenance import matchlist
from imgen.settings import Settings


def models(loaded: Settings) -> str:
    """Finds the files of each model and reads their headers; a hub id is looked up in the local cache alone."""
    return _all_found({model.key: _model_found(loaded, model) for model in load_catalog(loaded).models.values()})


def characters(loaded: Settings) -> str:
    """Finds the LoRA files of each character and reads their headers."""
    from workers.engines.diffusers.model_files import find_lora  # workers are no part of the API, but of this command

    found: dict[str, Path | ImgenError] = {}
    for character in load_catalog(loaded).characters.values():
        for model, name in character.loras.items():
            try:
                found[f"{character.key} for {model}"] = find_lora(name, loaded.model_folders)
            except ImgenError as exc:
                found[f"{character.key} for {model}"] = exc
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


def _model_found(loaded: Settings, model: Model) -> Path | ImgenError | str:
    from workers.engines.diffusers.model_files import find_model

    if not isinstance(model.engine, DiffusersOptions):
        return "draws without files"
    try:
        return find_model(
            model.source, loaded.model_folders, allow_downloads=False, leave_out=model.engine.leave_out
        ).resolve()
    except ImgenError as exc:
        is_later = loaded.workers.allow_downloads and not Path(model.source).is_absolute()
        return "is fetched by the first worker" if is_later else exc


def _all_found(found: dict[str, Path | ImgenError] | dict[str, Path | ImgenError | str]) -> str:
    """Formats what was found, a line each.

    Raises:
        ConfigurationError: something is missing or broken; the lines are the message.
    """
    text = "\n".join(f"{key}: {value}" for key, value in found.items())
    if any(isinstance(value, ImgenError) for value in found.values()):
        raise ConfigurationError(text)
    return text
