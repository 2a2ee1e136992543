"""Tables of the operator's files: read, overlaid and parsed, with errors that name the file and the key."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from imgen.domain.errors import ConfigurationError
from imgen.settings import Settings
from imgen.settings.layers import Layers, nearest, read_layers, read_toml

T = TypeVar("T")


def load_file(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Reads and parses one TOML file.

    Raises:
        ConfigurationError: it is wrong; the message has its path.
    """
    try:
        return parse(read_toml(path))
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc


def layers_of(settings: Settings, name: str) -> Layers:
    """Reads a file of the configuration folder, with the operator's of that name over it.

    Raises:
        ConfigurationError: one of them cannot be read; the message has its path.
    """
    return read_layers(settings.config_dir / name, settings.data_dir / name)


def tables_below(files: Layers, name: str) -> Layers:
    """Returns the tables below one of a file's.

    Raises:
        ConfigurationError: it is no table.
    """
    tables = [layer.get(name, {}) for layer in (files.shipped, files.own, files.tables)]
    if not all(isinstance(table, Mapping) for table in tables):
        raise ConfigurationError(f"{files.file_of(name)}: {name} is no table; write [{name}.NAME]")
    shipped, own, both = tables
    return dataclasses.replace(files, shipped=shipped, own=own, tables=both)


def parse_table(files: Layers, key: str, parse: Callable[[str, Mapping[str, object]], T], known: Iterable[str]) -> T:
    """Parses the table of a key.

    Raises:
        ConfigurationError: it is no table, or a field is missing, unknown or wrong; the message has its file.
    """
    table = files.tables[key]
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{files.file_of(key)}: {key} is no table; write [{key}] and its fields below")
    try:
        return parse(key, table)
    except msgspec.ValidationError as exc:
        where = re.search(r"at `\$\.?([\w.-]*)", str(exc))
        unknown = re.search(r"unknown field `(\w+)`", str(exc))
        path = [key, *(where[1].split(".") if where and where[1] else ()), *(unknown.groups() if unknown else ())]
        clause = nearest(unknown[1], known) if unknown else ""
        raise ConfigurationError(f"{files.file_of(*path)}: [{key}]: {exc}{clause}") from exc
