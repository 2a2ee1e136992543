"""Catalog of models, their styles and ranges, and of characters. Values only; configuration.py reads them from config/."""

from typing import TypeVar

import msgspec
from msgspec import Struct, field

SIZES: tuple[tuple[int, int], ...] = (
    (1344, 768),
    (1024, 1024),
    (768, 1344),
    (1216, 832),
    (832, 1216),
    (1152, 896),
    (896, 1152),
)
"""Width × height in pixels, about one megapixel each; the first is the default (contract, section 1)."""

N = TypeVar("N", int, float)


class Steps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Range of `num_inference_steps`."""

    default: int
    min: int = 1
    max: int = 100


class Guidance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Range of `guidance_scale`."""

    default: float
    min: float = 0.0
    max: float = 20.0


def clamp(value: N, low: N, high: N) -> N:
    """The nearest value inside the closed range."""
    return max(low, min(high, value))


class Style(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A look: words added to the end of both prompts."""

    label: str
    quality_tags: str = ""
    negative_extra: str = ""
    hints: str = ""
    """What the enhancer is told about this look; comma-separated phrases."""


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of models.toml. `key` is the table's name."""

    key: str
    label: str
    source: str
    """Local folder or single file (relative: under data/models, then config/), or a hub id where downloads are allowed."""
    backend: str = "diffusers"
    pipeline: str = ""
    """Pipeline class for single files that do not say what they are; empty: found out by diffusers."""
    scheduler: str = ""
    """Scheduler class name; empty keeps the model's own."""
    dtype: str = "auto"
    device: str = "auto"
    leave_out: tuple[str, ...] = ()
    """Optional components not to load, such as SD3's `text_encoder_3` and `tokenizer_3`."""
    call: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Further keyword arguments of the pipeline call, such as `max_sequence_length`."""
    lora_cache_mib: int = 512
    base_negative: str = ""
    steps: Steps
    guidance: Guidance
    time_limit_s: int = 300
    default_style: str
    styles: dict[str, Style]
    characters: tuple[str, ...] | None = None
    """Restricts the model to these characters; None: every character that has a LoRA for it, or needs none."""


class Character(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of characters.toml. `key` is the table's name and what follows `@`."""

    key: str
    label: str = ""
    trigger: str = ""
    positive: str = ""
    negative: str = ""
    loras: dict[str, str] = field(default_factory=dict)
    """Model key → safetensors file (relative: under data/models, then config/). Empty: words alone, for every model."""


class Catalog(Struct, frozen=True, kw_only=True):
    """All models and characters in configured order; the first model is the default."""

    models: dict[str, Model]
    characters: dict[str, Character]

    def model(self, key: str) -> Model:
        """The model of that key, or the first configured."""
        return self.models.get(key) or next(iter(self.models.values()))

    def characters_of(self, model: Model) -> tuple[str, ...]:
        """Keys of the characters this model can draw, in configured order."""
        return tuple(
            key
            for key, character in self.characters.items()
            if (not character.loras or model.key in character.loras)
            and (model.characters is None or key in model.characters)
        )


def parse_catalog(models: dict[str, object], characters: dict[str, object]) -> Catalog:
    """Builds the catalog from two parsed TOML documents.

    Raises:
        msgspec.ValidationError: a key is missing, unknown or of the wrong type; the message names its path.
    """

    def named(table: object, key: str) -> object:
        return {"key": key, **table} if isinstance(table, dict) else table

    return Catalog(
        models={key: msgspec.convert(named(table, key), Model) for key, table in models.items()},
        characters={key: msgspec.convert(named(table, key), Character) for key, table in characters.items()},
    )
