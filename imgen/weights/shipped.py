"""Names of shipped weights. Files under such a name in the data folder, as an early version left them, do not take their place.

Other weights have a name of their own in models.toml or characters.toml of the data folder. A name that is written there is the
operator's, also where it is that of shipped weights.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imgen.settings.layers import Layers

MODELS = "models"
"""Folder of weights in the data folder."""


def shipped_names(models: Layers, characters: Layers) -> frozenset[str]:
    """Returns the names of weights that only the shipped files give."""
    return frozenset(_names(models.shipped, characters.shipped)) - frozenset(_names(models.own, characters.own))


def shadows(models: Layers, characters: Layers) -> list[str]:
    """Describes each file or folder of the data folder that has the name of shipped weights, and what becomes of it."""
    config_dir, data_dir = models.shipped_file.parent, models.own_file.parent
    shipped = shipped_names(models, characters)
    told: list[str] = []
    shadowing: list[str] = []
    for name in sorted(set(_names(models.shipped, characters.shipped))):
        ours, theirs = config_dir / name, data_dir / MODELS / name
        if any(name.startswith(f"{folder}/") for folder in shadowing) or not (
            _has_weights(ours) and _has_weights(theirs)
        ):
            continue
        shadowing.append(name)
        told.append(
            f"{theirs} is not used: it has the name of shipped weights, and {ours} draws. Remove it; or rename it, and give its "
            f"new name in {models.own_file}"
            if name in shipped
            else f"{theirs} draws in the place of the shipped {ours}, because your configuration in {data_dir} names it"
        )
    return told


def _names(models: Mapping[str, Any], characters: Mapping[str, Any]) -> Iterator[str]:
    """Yields the relative names of weights in tables that may be wrong."""
    for table in models.values():
        if isinstance(table, Mapping) and isinstance(source := table.get("source"), str):
            yield source
        yield from _values(table, "components")
    for table in characters.values():
        yield from _values(table, "loras")


def _values(table: object, key: str) -> Iterator[str]:
    """Yields the names in a table of names within a table."""
    names = table.get(key) if isinstance(table, Mapping) else None
    if isinstance(names, Mapping):
        yield from (name for name in names.values() if isinstance(name, str))


def _has_weights(path: Path) -> bool:
    return path.is_file() or (path / "model_index.json").is_file()
