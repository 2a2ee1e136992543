"""Operator's files that may change while the service runs: models, characters, plans, rulesets, word lists.

`imgen.toml` is read once, when a process starts; these are read again on request: the API and the workers share the reloader.
"""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from imgen.domain.account import Plan
from imgen.domain.catalog import Catalog, parse_catalog
from imgen.domain.errors import ConfigurationError
from imgen.domain.lexical_guard import GuardWords
from imgen.domain.review.ruleset import CompiledRuleset, compile_ruleset, parse_ruleset
from imgen.domain.wordlists import Wordlists, parse_wordlists
from imgen.settings import Settings

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Contents of the files that the API needs, read at one time."""

    catalog: Catalog
    plans: Mapping[str, Plan]
    rulesets: Mapping[str, str]
    """Values of `compliance_ruleset`, each with a digest of its rules."""
    words: Wordlists


def load(settings: Settings) -> Configuration:
    """Reads the files that the API needs.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    try:
        rulesets = sorted((settings.config_dir / "rulesets").glob("*.toml"))
        for path in rulesets:
            read_toml(path)
        return Configuration(
            catalog=load_catalog(settings),
            plans=load_plans(settings),
            rulesets={path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in rulesets},
            words=parse_wordlists(read_toml(settings.config_dir / "prompts" / "words.toml")),
        )
    except (msgspec.ValidationError, OSError, TypeError, ValueError) as exc:
        raise ConfigurationError(f"The configuration cannot be read: {exc}") from exc


def read_toml(path: Path) -> dict[str, Any]:
    """Reads one TOML file.

    Raises:
        ConfigurationError: it is missing or not TOML; the message has its path.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc


def _operator_file(settings: Settings, name: str) -> dict[str, Any]:
    """Reads a file of the configuration folder, its tables overlaid by those of the same file in the data folder."""
    own = settings.data_dir / name
    return read_toml(settings.config_dir / name) | (read_toml(own) if own.is_file() else {})


def load_catalog(settings: Settings) -> Catalog:
    """Reads models and characters: config/models.toml and characters.toml, overlaid by the operator's in the data folder."""
    try:
        catalog = parse_catalog(_operator_file(settings, "models.toml"), _operator_file(settings, "characters.toml"))
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"models.toml or characters.toml: {exc}") from exc
    for model in catalog.models.values():
        if model.default_style not in model.styles:
            raise ConfigurationError(
                f"models.toml: {model.key}: default_style {model.default_style!r} is no style of it"
            )
    if not catalog.models:
        raise ConfigurationError("models.toml: no model is configured")
    default = settings.default_model or next(iter(catalog.models))
    if default not in catalog.models:
        raise ConfigurationError(f"models.toml: no model {default!r} (default_model)")
    return msgspec.structs.replace(catalog, models={default: catalog.models[default], **catalog.models})


def load_plans(settings: Settings) -> dict[str, Plan]:
    """Reads plans by key; the default plan must be among them."""
    try:
        plans = {
            key: msgspec.convert({"key": key, **table}, Plan)
            for key, table in _operator_file(settings, "plans.toml").items()
        }
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"plans.toml: {exc}") from exc
    if settings.default_plan not in plans:
        raise ConfigurationError(f"plans.toml: no plan {settings.default_plan!r} (default_plan)")
    return plans


def load_rulesets(settings: Settings) -> dict[str, CompiledRuleset]:
    """Reads all rulesets by name, ready to judge; `default` must be among them.

    Raises:
        ConfigurationError: a file is wrong; the message has its path.
    """
    rulesets = {}
    for path in sorted((settings.config_dir / "rulesets").glob("*.toml")):
        try:
            rulesets[path.stem] = compile_ruleset(parse_ruleset(path.stem, read_toml(path)))
        except msgspec.ValidationError as exc:
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
    try:
        guard = msgspec.convert(read_toml(path), GuardWords)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc
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
