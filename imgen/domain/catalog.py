"""Catalog of models, their styles and ranges, and of characters. Values only; configuration/ reads them from config/."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct, field

from imgen.domain.engine_options import DiffusersOptions, EngineOptions, RemoteOptions

Size = tuple[int, int]
"""Width and height in pixels."""

SIZES: tuple[Size, ...] = (
    (1344, 768),
    (1024, 1024),
    (768, 1344),
    (1216, 832),
    (832, 1216),
    (1152, 896),
    (896, 1152),
)
"""Sizes of a model that lists none, about one megapixel each; the first is the default (contract, section 1)."""

MORE_SIZES: tuple[Size, ...] = ((1024, 768), (768, 1024))
"""Further sizes of a model that lists none, for dialects that ask by ratio or tier (contract, section 3)."""

Ratio = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"]
RATIOS: dict[str, tuple[int, int]] = {
    "1:1": (1, 1),
    "16:9": (16, 9),
    "9:16": (9, 16),
    "4:3": (4, 3),
    "3:4": (3, 4),
    "3:2": (3, 2),
    "2:3": (2, 3),
}
"""Ratio of width to height, as dialects write it → its two numbers (contract, section 3)."""
RATIO_TOLERANCE = 0.05
"""Difference of a size's ratio from the one it stands for, in natural logarithms: 1344 × 768 is 16:9 to 0.016, 1152 × 896 is 4:3
to 0.036, and 4:3 and 3:2 are 0.118 apart."""

SIZE_STEP = 8
"""Sides of listed sizes are multiples of it: pixels of a latent in nearly every VAE, and of a block of the watermark."""
LEAST_PIXELS, MOST_PIXELS = 65_536, 2_000_000
"""Area of a listed size: the watermark needs the least, and enlarged four times the largest can still be verified."""
MOST_SIDE = 4088
"""Side of a listed size, at most: enlarged four times, a longer one is over the 16,383 pixels of a WebP, which masters are."""

N = TypeVar("N", int, float)


class Steps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Range of `num_inference_steps`."""

    default: int
    min: Annotated[int, Meta(ge=1)] = 1
    max: Annotated[int, Meta(le=1000)] = 100

    def __post_init__(self) -> None:
        """Raises ValueError unless min ≤ default ≤ max."""
        _check_range(self)


class Guidance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Range of `guidance_scale`."""

    default: float
    min: Annotated[float, Meta(ge=0)] = 0.0
    max: Annotated[float, Meta(le=1000)] = 20.0

    def __post_init__(self) -> None:
        """Raises ValueError unless min ≤ default ≤ max."""
        _check_range(self)


class Batch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures that are rendered in one call."""

    max: Annotated[int, Meta(ge=1, le=32)] | None = None
    """Most pictures of a call; None: the engine's default for its device, which is 1 on a CPU."""


def _check_range(given: Steps | Guidance) -> None:
    if not given.min <= given.default <= given.max:
        raise ValueError(f"default {given.default} is not in the range from min {given.min} to max {given.max}")


def check_size(width: int, height: int) -> None:
    """Raises ValueError if no picture of ours can have a size."""
    is_in_area = LEAST_PIXELS <= width * height <= MOST_PIXELS
    if width % SIZE_STEP or height % SIZE_STEP or not is_in_area or max(width, height) > MOST_SIDE:
        sides = f"sides are multiples of {SIZE_STEP}, at most {MOST_SIDE:,}"
        limits = f"{sides}, the area is {LEAST_PIXELS:,} to {MOST_PIXELS:,} pixels"
        raise ValueError(f"size {width} × {height}: {limits}")


def nearest_size(width: int, height: int, sizes: Sequence[Size]) -> Size:
    """Returns the size whose ratio is nearest to that of a picture; of several the one nearest in area."""
    ratio, area = math.log(width / height), math.log(width * height)

    def distance(size: Size) -> tuple[float, float]:
        return round(abs(math.log(size[0] / size[1]) - ratio), 6), abs(math.log(size[0] * size[1]) - area)

    return min(sizes, key=distance)


def size_of_ratio(ratio: str, sizes: Sequence[Size]) -> Size | None:
    """Returns the size nearest to a ratio of RATIOS, of several the first; None: none is within the tolerance."""
    width, height = RATIOS[ratio]

    def distance(size: Size) -> float:
        return abs(math.log(size[0] * height / (size[1] * width)))

    fitting = [size for size in sizes if distance(size) <= RATIO_TOLERANCE]
    return min(fitting, key=distance, default=None)


def clamp(value: N, low: N, high: N) -> N:
    """Returns the nearest value in the closed range."""
    return max(low, min(high, value))


class Style(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Style of a model: words added to the end of both prompts."""

    label: str
    quality_tags: str = ""
    negative_extra: str = ""
    hints: str = ""
    """Comma-separated phrases for the enhancer."""


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Model, one entry of models.toml. `key` is the table's name."""

    key: str
    label: str
    source: str = ""
    """Local folder or single file (relative: under data/models, then config/), or a hub id where downloads are allowed; empty:
    engines elsewhere draw."""
    engine: EngineOptions = field(default_factory=DiffusersOptions, name="backend")
    """Keys of the table that only the engine reads."""
    base_negative: str = ""
    negative_prompt: bool = True
    """Whether the pipeline uses a negative prompt."""
    sizes: Annotated[tuple[Size, ...], Meta(min_length=1)] = SIZES
    """Sizes that it draws; the first is its default."""
    steps: Steps
    guidance: Guidance
    time_limit_s: Annotated[int, Meta(gt=0)] = 300
    """Longest time of a render, from its first step on."""
    batch: Batch = Batch()
    credits: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    """Credits that a picture costs."""
    default_style: str
    styles: dict[str, Style]
    characters: tuple[str, ...] | None = None
    """Characters that the model is restricted to; None: every one that has a LoRA for it, or needs none."""

    @property
    def is_remote(self) -> bool:
        """Whether engines elsewhere draw it, so that it needs no device and no weights here."""
        return isinstance(self.engine, RemoteOptions)

    @property
    def takes_loras(self) -> bool:
        """Whether it draws with LoRA files: those of a remote model are its engines' own, and not looked up here."""
        return not isinstance(self.engine, RemoteOptions) or self.engine.takes("lora")

    @property
    def all_sizes(self) -> tuple[Size, ...]:
        """Sizes that may be asked for, the default first; the action API offers those of `sizes` alone."""
        return self.sizes + MORE_SIZES if self.sizes == SIZES else self.sizes

    def __post_init__(self) -> None:
        """Raises ValueError if it has no source, its default style is none of the styles, or a size is none of ours."""
        if not self.source and isinstance(self.engine, DiffusersOptions):
            raise ValueError("it has no `source`")
        for size in self.sizes:
            check_size(*size)
        if self.default_style not in self.styles:
            raise ValueError(f"default_style {self.default_style!r} is none of its styles: {', '.join(self.styles)}")


class Character(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Character, one entry of characters.toml. `key` is the table's name and the `@name` without `@`."""

    key: str
    label: str = ""
    trigger: str = ""
    positive: str = ""
    negative: str = ""
    loras: dict[str, str] = field(default_factory=dict)
    """Model key → safetensors file (relative: under data/models, then config/); of a remote model its engine's name of the file.
    Empty: drawn by words alone, with every model."""


class Catalog(Struct, frozen=True, kw_only=True):
    """All models and characters in configured order; the first model is the default."""

    models: dict[str, Model]
    characters: dict[str, Character]
    absent: dict[str, str] = field(default_factory=dict)
    """Key → reason, of shipped models that are no models here: the engines elsewhere that would draw them are not named."""
    remote_engines: frozenset[str] = frozenset()
    """Keys of engines.toml."""
    shipped: frozenset[str] = frozenset()
    """Names of weights that are looked up in config/ before the data folder; see imgen/weights/shipped.py."""

    def model(self, key: str) -> Model:
        """Returns the model of a key, or the first configured one."""
        return self.models.get(key) or next(iter(self.models.values()))

    def provider(self, model: Model) -> str:
        """Returns the key of the engine elsewhere that draws a model before its others; empty: it is drawn here."""
        if not isinstance(model.engine, RemoteOptions):
            return ""
        keys = [choice.engine for choice in model.engine.engines]
        return next((key for key in keys if key in self.remote_engines), keys[0])

    def characters_of(self, model: Model) -> tuple[str, ...]:
        """Returns the keys of the characters that a model can draw, in configured order."""
        return tuple(
            key
            for key, character in self.characters.items()
            if (not character.loras or (model.key in character.loras and model.takes_loras))
            and (model.characters is None or key in model.characters)
        )


ENGINE_KEYS = {"backend"}.union(*(options.__struct_fields__ for options in get_args(EngineOptions)))
MODEL_KEYS = ENGINE_KEYS.union(set(Model.__struct_fields__) - {"key", "engine"})
"""Keys of a model's table."""


def parse_model(key: str, table: Mapping[str, object]) -> Model:
    """Builds a model from its table, in which the engine's options stand beside the model's own fields.

    Options of another engine are ignored: a model may change its `backend` and keep them.

    Raises:
        msgspec.ValidationError: a key is missing, unknown or of the wrong type; the message names its path.
    """
    backend = table.get("backend", DiffusersOptions.name)
    if backend not in (names := [options.name for options in get_args(EngineOptions)]):
        raise msgspec.ValidationError(f"{key}: no backend {backend!r}; there are {', '.join(names)}")
    options = {name: value for name, value in table.items() if name in ENGINE_KEYS}
    own = {name: value for name, value in table.items() if name not in ENGINE_KEYS}
    return msgspec.convert({"key": key, **own, "backend": {**options, "backend": backend}}, Model)


def model_table(model: Model) -> dict[str, Any]:
    """Returns the table that `parse_model` parses, without its key."""
    fields: dict[str, Any] = msgspec.to_builtins(model)
    return {name: value for name, value in (fields | fields["backend"]).items() if name != "key"}


def parse_character(key: str, table: Mapping[str, object]) -> Character:
    """Builds a character from its table.

    Raises:
        msgspec.ValidationError: a key is unknown or of the wrong type; the message names its path.
    """
    return msgspec.convert({"key": key, **table}, Character)


def parse_catalog(models: Mapping[str, Any], characters: Mapping[str, Any]) -> Catalog:
    """Builds the catalog from two parsed TOML documents.

    Raises:
        msgspec.ValidationError: a key is missing, unknown or of the wrong type; the message names its path.
    """
    return Catalog(
        models={key: parse_model(key, table) for key, table in models.items()},
        characters={key: parse_character(key, table) for key, table in characters.items()},
    )
