"""Layers of TOML: a file of the configuration folder, overlaid field by field by the operator's in the data folder.

Errors name the file that has the wrong value, and the nearest known name of one that is unknown.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgen.domain.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Two files of one name; `tables` is what they say together."""

    shipped_file: Path
    own_file: Path
    shipped: Mapping[str, Any]
    own: Mapping[str, Any]
    tables: dict[str, Any]

    def file_of(self, *path: str) -> Path:
        """Returns the file that decides a value: the data folder's if it has all names of the path, else the shipped one."""
        table: Any = self.own
        for name in path:
            if not isinstance(table, Mapping) or name not in table:
                return self.shipped_file
            table = table[name]
        return self.own_file


def read_layers(shipped_file: Path, own_file: Path) -> Layers:
    """Reads both files; the data folder's may be missing.

    Raises:
        ConfigurationError: a file cannot be read; the message has its path.
    """
    shipped, own = read_toml(shipped_file), read_toml(own_file) if own_file.is_file() else {}
    tables = overlay(shipped, own)
    return Layers(shipped_file=shipped_file, own_file=own_file, shipped=shipped, own=own, tables=tables)


def read_toml(path: Path) -> dict[str, Any]:
    """Reads one TOML file.

    Raises:
        ConfigurationError: it is missing or not TOML; the message has its path.
    """
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"{path}: not TOML: {exc}") from exc


def read_text(path: Path) -> str:
    """Reads one file of text.

    Raises:
        ConfigurationError: it is missing or not UTF-8; the message has its path.
    """
    try:
        return path.read_text("utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {exc.start}; save the file as UTF-8") from exc


def overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the base with the other's values: tables field by field, all else replaced whole.

    An empty table within a table replaces it, so that `loras = {}` takes all away; an empty `[aya]` changes nothing.
    """
    merged = dict(base)
    for name, value in own.items():
        below = merged.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            emptied = {field: dict(table) for field, table in value.items() if table == {}}
            merged[name] = overlay(below, value) | emptied
        else:
            merged[name] = value
    return merged


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a clause with the known name that looks most like this one; empty if none does."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
