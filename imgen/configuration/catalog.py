"""Models, characters and engines elsewhere, as the operator's files have them."""

from collections.abc import Mapping

import msgspec
import structlog

from imgen.domain.catalog import ENGINE_KEYS, MODEL_KEYS, Catalog, Character, Model, parse_character, parse_model
from imgen.domain.engine_options import DiffusersOptions, RemoteOptions
from imgen.domain.errors import ConfigurationError
from imgen.domain.remote_engine import RemoteEngine, parse_remote_engine
from imgen.settings import Settings
from imgen.settings.layers import Layers, nearest, overlay
from imgen.settings.tables import layers_of, parse_table
from imgen.weights.shipped import shadows, shipped_names

log = structlog.get_logger(__name__)


def load_catalog(settings: Settings) -> Catalog:
    """Reads models and characters: config/models.toml and characters.toml, overlaid by the operator's in the data folder.

    Raises:
        ConfigurationError: a table is wrong; the message has the path of the file that says so.
    """
    model_files, character_files = layers_of(settings, "models.toml"), layers_of(settings, "characters.toml")
    model_files.tables.update(_models_of_another_engine(model_files))
    models = {key: parse_table(model_files, key, parse_model, MODEL_KEYS) for key in model_files.tables}
    characters = {
        key: parse_table(character_files, key, parse_character, Character.__struct_fields__)
        for key in character_files.tables
    }
    remote_engines = frozenset(load_engines(settings))
    absent = _absent(model_files, models, remote_engines)
    models = {key: model for key, model in models.items() if key not in absent}
    if not models:
        raise ConfigurationError(f"{model_files.shipped_file}: no model is configured")
    default = settings.default_model or next(iter(models))
    if default in absent:
        raise ConfigurationError(f"default_model: {default} is not available: {absent[default]}")
    if default not in models:
        raise ConfigurationError(f"default_model: there is no model {default!r}{nearest(default, models)}")
    models = {key: _limited(settings, model) for key, model in models.items()}
    return Catalog(
        models={default: models[default], **models},
        absent=absent,
        remote_engines=remote_engines,
        characters=characters,
        shipped=shipped_names(model_files, character_files),
    )


def load_engines(settings: Settings) -> dict[str, RemoteEngine]:
    """Reads the remote engines by key: config/engines.toml, overlaid by the operator's in the data folder.

    Raises:
        ConfigurationError: a table is wrong; the message has the path of the file that says so.
    """
    files = layers_of(settings, "engines.toml")
    known = [name for name in RemoteEngine.__struct_fields__ if name != "key"]
    return {key: parse_table(files, key, parse_remote_engine, known) for key in files.tables}


def _absent(files: Layers, models: Mapping[str, Model], remote_engines: frozenset[str]) -> dict[str, str]:
    """Returns the shipped models that engines elsewhere would draw, of which the operator has named none, with the reason.

    An entry whose engines the operator wrote is kept: one that names a wrong engine is told by its jobs and `imgen doctor`.
    """
    reasons = {}
    for key, model in models.items():
        own = files.own.get(key, {})
        if key in files.shipped and "engines" not in own and isinstance(model.engine, RemoteOptions):
            names = list(dict.fromkeys(choice.engine for choice in model.engine.engines))
            if remote_engines.isdisjoint(names):
                reasons[key] = f"engines.toml has no engine {', '.join(names)}"
    return reasons


def shadowed_weights(settings: Settings) -> list[str]:
    """Describes what has the name of shipped weights in the data folder; see imgen/weights/shipped.py.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    return shadows(layers_of(settings, "models.toml"), layers_of(settings, "characters.toml"))


def _limited(settings: Settings, model: Model) -> Model:
    """Returns the model with a time limit that workers can keep, and tells of a longer one."""
    longest_s = settings.workers.longest_render_s
    if model.time_limit_s <= longest_s:
        return model
    log.warning(
        "models.toml: time_limit_s is longer than a worker may take",
        model=model.key,
        time_limit_s=model.time_limit_s,
        used_s=longest_s,
        remedy="a shorter [workers] load_limit_s leaves more time to render",
    )
    return msgspec.structs.replace(model, time_limit_s=longest_s)


def _models_of_another_engine(files: Layers) -> dict[str, dict[str, object]]:
    """Returns the tables whose engine the operator replaced, without the shipped options, which were another engine's."""
    return {
        key: overlay({name: value for name, value in files.shipped[key].items() if name not in ENGINE_KEYS}, own)
        for key, own in files.own.items()
        if key in files.shipped and isinstance(own, Mapping) and _has_another_engine(files.shipped[key], own)
    }


def _has_another_engine(shipped: Mapping[str, object], own: Mapping[str, object]) -> bool:
    """Returns whether the operator's table names another engine; a source of weights says that it is drawn here."""
    backend = shipped.get("backend", DiffusersOptions.name)
    is_moved = backend == RemoteOptions.name and "source" in own
    return own.get("backend", DiffusersOptions.name if is_moved else backend) != backend
