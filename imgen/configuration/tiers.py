"""Quality tiers, and modes and presets of Studio, as the operator's files have them."""

from imgen.domain.errors import ConfigurationError
from imgen.domain.studio import MODES, Preset, StudioConfig, StudioMode, parse_mode, parse_preset
from imgen.domain.tiers import TIERS, Selectable, Tier, Tiers, doubled_names, parse_selectable, parse_tier
from imgen.settings import Settings
from imgen.settings.layers import Layers, nearest
from imgen.settings.tables import layers_of, parse_table, tables_below

_SELECTABLE = "selectable"
"""Table of tiers.toml that is no tier."""
_MODES, _PRESETS = "modes", "presets"
"""Tables of studio.toml."""


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
