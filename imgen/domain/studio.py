"""Studio: its modes, exports, aspects and presets, as studio.toml has them. Values only; configuration/ reads them.

A mode is a way in which a source becomes another picture; a preset gives the mode `avatar` its look.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from imgen.domain.catalog import RATIOS, Catalog

Mode = Literal["style", "avatar", "product", "enhance"]
MODES: tuple[str, ...] = get_args(Mode)
STYLE, AVATAR, PRODUCT, ENHANCE = MODES
NEEDS_PROMPT = frozenset({STYLE, PRODUCT})
"""Modes that draw nothing of use without words of the caller's."""

LONG_SIDES = {"base": 0, "2k": 2048, "4k": 4096}
"""Export → pixels of the picture's long side; 0: as the model draws it."""
EXPORTS = tuple(LONG_SIDES)
SOURCE_ASPECT = "source"
ASPECTS = (SOURCE_ASPECT, "1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4")
"""Ratios of width to height that a picture can be cropped to; `source`: its source's own."""
assert set(ASPECTS[1:]) == set(RATIOS)
MOST_COUNT = 5
"""Pictures of one order."""

Strength = Annotated[float, Meta(ge=0, le=1)]


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Look of an avatar, one table below `presets` in studio.toml."""

    key: str
    label: str
    words: str
    """Comma-separated terms that it adds to the caller's."""
    negative: str = ""
    """Comma-separated negative terms."""
    strength: Strength
    """Distance from the source that the picture may reach."""
    model: str = ""
    """Key of a model; empty: the mode's."""
    style: str = ""
    """Key of a style of the model; empty: the mode's, or the model's default."""


class StudioMode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mode, one table below `modes` in studio.toml."""

    key: Mode
    label: str
    words: str = ""
    """Comma-separated terms that it adds to the caller's."""
    negative: str = ""
    strength: Strength = 0.6
    """Distance from the source that the picture may reach; of `product`, its background."""
    restyle_strength: Strength = 0.3
    """Of `product` alone: the distance where no plain ground is found, and the whole picture is restyled."""
    model: str = ""
    """Key of a model; empty: the default one. `enhance` draws with none, and waits in its queue."""
    style: str = ""
    """Key of a style of the model; empty: its default."""
    steps: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Denoising steps, within the model's range; None: its default."""
    credits: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    """Credits that a picture costs; None: those of its model."""


class StudioConfig(Struct, frozen=True, kw_only=True):
    """Contents of studio.toml."""

    modes: Mapping[str, StudioMode]
    """All of MODES, in their order."""
    presets: Mapping[str, Preset]


def missing_names(studio: StudioConfig, catalog: Catalog) -> list[str]:
    """Describes each model and style that studio.toml names and the catalog does not have."""
    avatar = studio.modes[AVATAR].model
    named = [(f"mode {one.key}", one.model, one.style) for one in studio.modes.values()]
    named += [(f"preset {one.key}", one.model or avatar, one.style) for one in studio.presets.values()]
    found = []
    for name, key, style in named:
        model = catalog.model(key)
        if key and key not in catalog.models:
            found.append(f"{name}: model {key} is not configured")
        elif style and style not in model.styles:
            found.append(f"{name}: model {model.key} has no style {style}")
    return found


def parse_preset(key: str, table: Mapping[str, object]) -> Preset:
    """Builds a preset from its table.

    Raises:
        msgspec.ValidationError: a field is missing, unknown, of the wrong type or out of range; the message names its path.
    """
    return msgspec.convert({"key": key, **table}, Preset)


def parse_mode(key: str, table: Mapping[str, object]) -> StudioMode:
    """Builds a mode from its table.

    Raises:
        msgspec.ValidationError: as for `parse_preset`.
    """
    return msgspec.convert({"key": key, **table}, StudioMode)
