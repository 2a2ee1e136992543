"""Operator's files that may change while the service runs: models, characters, plans, tiers, Studio, rulesets, word lists.

`imgen.toml` is read once, when a process starts; these are read again on request: the API and the workers share the reloader.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import msgspec
import structlog

from imgen.domain.account import Pack, Plan, parse_pack, parse_plan
from imgen.domain.catalog import ENGINE_KEYS, MODEL_KEYS, Catalog, Character, Model, parse_character, parse_model
from imgen.domain.engine_options import DiffusersOptions, RemoteOptions
from imgen.domain.errors import ConfigurationError, Invalid
from imgen.domain.lexical_guard import GuardWords
from imgen.domain.remote_engine import RemoteEngine, parse_remote_engine
from imgen.domain.review.ruleset import CompiledRuleset, Ruleset, compile_ruleset, parse_ruleset
from imgen.domain.studio import MODES, Preset, StudioConfig, StudioMode, parse_mode, parse_preset
from imgen.domain.tiers import TIERS, Selectable, Tier, Tiers, doubled_names, parse_selectable, parse_tier
from imgen.domain.wordlists import Wordlists, parse_wordlists
from imgen.settings import Settings
from imgen.settings.layers import Layers, nearest, overlay, read_text
from imgen.settings.tables import layers_of, load_file, parse_table, tables_below
from imgen.weights.shipped import shadows, shipped_names

log = structlog.get_logger(__name__)

T = TypeVar("T")
_PACKS = "packs"
"""Table of plans.toml that is no plan."""
_SELECTABLE = "selectable"
"""Table of tiers.toml that is no tier."""
_MODES, _PRESETS = "modes", "presets"
"""Tables of studio.toml."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Contents of the files that the API needs, read at one time."""

    catalog: Catalog
    plans: Mapping[str, Plan]
    packs: Mapping[str, Pack]
    """Packs of credits that can be granted."""
    tiers: Tiers
    """Quality tiers, and the names by which models can be pinned."""
    studio: StudioConfig
    """Modes and presets of Studio."""
    rulesets: Mapping[str, str]
    """Values of `compliance_ruleset`, each with a digest of its rules."""
    rules: Mapping[str, Ruleset]
    """Rulesets as they were read, to be shown."""
    words: Wordlists
    instructions: str
    """Text of config/prompts/enhance.md for the chat endpoint of the enhancer; empty: there is none."""
    guard: GuardWords


def load(settings: Settings) -> Configuration:
    """Reads the files that the API needs.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    prompts = settings.config_dir / "prompts"
    try:
        plans = load_plans(settings)
        for plan in plans.values():
            if plan.shortfall:
                log.warning("a rate cannot carry the plan's open jobs", reason=plan.shortfall)
        rulesets = sorted((settings.config_dir / "rulesets").glob("*.toml"))
        return Configuration(
            catalog=load_catalog(settings),
            plans=plans,
            packs=load_packs(settings),
            tiers=load_tiers(settings),
            studio=load_studio(settings),
            rulesets={path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in rulesets},
            rules={path.stem: load_file(path, partial(parse_ruleset, path.stem)) for path in rulesets},
            words=load_file(prompts / "words.toml", parse_wordlists),
            instructions=read_text(prompts / "enhance.md") if settings.enhancer.base_url else "",
            guard=load_guard(settings),
        )
    except (msgspec.ValidationError, OSError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"The configuration cannot be read: {exc}") from exc


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


def load_plans(settings: Settings) -> dict[str, Plan]:
    """Reads plans by key; the default plan must be among them.

    Raises:
        ConfigurationError: a table is wrong; the message has the path of the file that says so.
    """
    files = layers_of(settings, "plans.toml")
    plans = {key: parse_table(files, key, parse_plan, Plan.__struct_fields__) for key in files.tables if key != _PACKS}
    if settings.default_plan not in plans:
        raise ConfigurationError(
            f"default_plan: there is no plan {settings.default_plan!r}{nearest(settings.default_plan, plans)}"
        )
    return plans


def applied_plan(settings: Settings, plans: Mapping[str, Plan], key: str) -> Plan:
    """Returns the plan of that key; the default plan if an operator removed it."""
    return plans.get(key) or plans[settings.default_plan]


def load_packs(settings: Settings) -> dict[str, Pack]:
    """Reads the packs of credits by key: the tables below `packs` in plans.toml.

    Raises:
        ConfigurationError: a table is wrong; the message has the path of the file that says so.
    """
    files = tables_below(layers_of(settings, "plans.toml"), _PACKS)
    return {key: parse_table(files, key, parse_pack, Pack.__struct_fields__) for key in files.tables}


def load_tiers(settings: Settings) -> Tiers:
    """Reads quality tiers and the names of models: config/tiers.toml, overlaid by the operator's in the data folder.

    Raises:
        ConfigurationError: a table is wrong, missing or no tier's, or two models have one name; the message has the file's path.
    """
    files = layers_of(settings, "tiers.toml")
    names = tables_below(files, _SELECTABLE)
    _refuse_others(files, TIERS, "tier", beside=(_SELECTABLE,))
    if missing := [key for key in TIERS if key not in files.tables]:
        raise ConfigurationError(f"{files.shipped_file}: no table for {', '.join(missing)}")
    tiers = {key: parse_table(files, key, parse_tier, Tier.__struct_fields__) for key in TIERS}
    selectable = {key: parse_table(names, key, parse_selectable, Selectable.__struct_fields__) for key in names.tables}
    if doubled := doubled_names(selectable):
        raise ConfigurationError(f"{files.file_of(_SELECTABLE)}: more than one model is called {', '.join(doubled)}")
    return Tiers(tiers=tiers, selectable=selectable)


def load_studio(settings: Settings) -> StudioConfig:
    """Reads modes and presets of Studio: config/studio.toml, overlaid by the operator's in the data folder.

    Raises:
        ConfigurationError: a table is wrong, missing or no mode's; the message has the path of the file that says so.
    """
    files = layers_of(settings, "studio.toml")
    _refuse_others(files, (_MODES, _PRESETS), "table")
    modes, presets = tables_below(files, _MODES), tables_below(files, _PRESETS)
    _refuse_others(modes, MODES, "mode")
    if missing := [key for key in MODES if key not in modes.tables]:
        raise ConfigurationError(f"{files.shipped_file}: no table for {', '.join(missing)}")
    return StudioConfig(
        modes={key: parse_table(modes, key, parse_mode, StudioMode.__struct_fields__) for key in MODES},
        presets={key: parse_table(presets, key, parse_preset, Preset.__struct_fields__) for key in presets.tables},
    )


def _refuse_others(files: Layers, known: tuple[str, ...], kind: str, beside: tuple[str, ...] = ()) -> None:
    """Raises ConfigurationError if a table is none of the known ones, nor of those beside them."""
    for key in files.tables:
        if key not in (*known, *beside):
            told = f"there is no {kind} {key!r}, only {', '.join(known)}{nearest(key, (*known, *beside))}"
            raise ConfigurationError(f"{files.file_of(key)}: {told}")


def known_pack(settings: Settings, pack: str) -> Pack:
    """Returns a pack by its key.

    Raises:
        Invalid: there is no such pack; the message has all names.
    """
    packs = load_packs(settings)
    if pack not in packs:
        raise Invalid(f"There is no pack {pack!r}; there are {', '.join(packs)}")
    return packs[pack]


def known_plan(settings: Settings, plan: str) -> str:
    """Returns the key of a plan; the default plan's for an empty one.

    Raises:
        Invalid: there is no such plan; the message has all names.
    """
    plans = load_plans(settings)
    if plan and plan not in plans:
        raise Invalid(f"There is no plan {plan!r}; there are {', '.join(plans)}")
    return plan or settings.default_plan


def load_rulesets(settings: Settings) -> dict[str, CompiledRuleset]:
    """Reads all rulesets by name, ready to judge; `default` must be among them.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    rulesets = {}
    for path in sorted((settings.config_dir / "rulesets").glob("*.toml")):
        ruleset = load_file(path, partial(parse_ruleset, path.stem))
        try:
            rulesets[path.stem] = compile_ruleset(ruleset)
        except ConfigurationError as exc:
            raise ConfigurationError(f"{path}: {exc}") from exc
    if "default" not in rulesets:
        raise ConfigurationError(f"{settings.config_dir / 'rulesets'}: there is no default.toml")
    return rulesets


def load_guard(settings: Settings) -> GuardWords:
    """Reads the words of the lexical guard.

    Raises:
        ConfigurationError: config/cache.toml is wrong, or has words that no normalized text can hold.
    """
    path = settings.config_dir / "cache.toml"
    guard: GuardWords = load_file(path, partial(msgspec.convert, type=GuardWords))
    if unfolded := guard.unfolded():
        raise ConfigurationError(f"{path}: not single words in small letters without accents: {', '.join(unfolded)}")
    return guard


class Reloader(Generic[T]):
    """Reloader of files by their epoch. Files with an error change nothing."""

    def __init__(self, read: Callable[[], T]) -> None:
        """Takes `read`, which loads the files and raises ConfigurationError or OSError if one of them is wrong."""
        self._read = read
        self._epoch: bytes | None = None

    def is_due(self, epoch: bytes | None) -> bool:
        """Returns whether the epoch has changed. None, its value before the first change, counts as unchanged."""
        return epoch is not None and epoch != self._epoch

    def reload(self, epoch: bytes | None) -> T | None:
        """Reads the files under this epoch; None: they are wrong, and the caller keeps the old ones."""
        self._epoch = epoch
        try:
            value = self._read()
        except (ConfigurationError, OSError) as exc:
            log.warning("configuration not read again; the old one stays", reason=str(exc))
            return None
        log.info("configuration read again")
        return value
