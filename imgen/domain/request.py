"""A request for a picture in surface-free terms, and the rules that repair its optional fields (contract, `generate`).

A wrong value of an optional field is repaired and named in `warnings`, never refused: old clients must not break. Two
things are refused all the same: an unknown ruleset, because safety never falls back in silence, and words that are missing.
"""

import math
import secrets
from collections.abc import Container
from typing import NamedTuple

from msgspec import Struct

from imgen.domain.catalog import SIZES, Catalog, Model, clamp
from imgen.domain.errors import InvalidField
from imgen.domain.recipe import Brand, Claim, Output

FORMATS = ("jpeg", "png", "webp", "avif")
LOSSLESS_FORMATS = frozenset({"webp", "avif"})
POSITIONS = ("bottom-right", "top-left", "top-right", "center", "bottom-left")
MAX_SEED = 2**32 - 1
MAX_PRECOMPLIANCE_CHARS = 2000
MAX_CLAIM_CHARS = 1000


class Range(NamedTuple):
    """Default of a number, and the closed range it is clamped to."""

    default: float
    low: float
    high: float


RANGES = {
    "cache_pick": Range(5, 1, 10),
    "quality": Range(95, 1, 100),
    "wm_scale": Range(5, 1, 100),
    "wm_transparency": Range(100, 0, 100),
    "wm_rotation": Range(0, -360, 360),
    "wm_padding_x": Range(10, 0, 500),
    "wm_padding_y": Range(10, 0, 500),
    "lora_scale": Range(1.0, 0.0, 2.0),
}
"""Field → its range, where no model says otherwise."""


class GenerateRequest(Struct, frozen=True, kw_only=True):
    """Request for a picture, field by field as `generate` has it. Fields typed `object` are choices: anything else falls back."""

    prompt: str | None = None
    model: object = None
    negative: str | None = None
    optimize: bool | None = None
    use_cache: bool | None = None
    cache_only: bool | None = None
    cache_force: bool | None = None
    cache_pick: float | None = None
    width: object = None
    height: object = None
    style: object = None
    format: object = None
    quality: float | None = None
    lossless: bool | None = None
    compliance_ruleset: str | None = None
    precompliance: str | None = None
    wm_image: str | None = None
    wm_position: object = None
    wm_scale: float | None = None
    wm_transparency: float | None = None
    wm_rotation: float | None = None
    wm_padding_x: float | None = None
    wm_padding_y: float | None = None
    cs_author: str | None = None
    cs_title: str | None = None
    cs_description: str | None = None
    cs_organization: str | None = None
    cs_vendor: str | None = None
    seed: object = None
    steps: float | None = None
    guidance: float | None = None
    lora_scale: float | None = None


class Order(Struct, frozen=True, kw_only=True):
    """The same request with every value inside its limits."""

    model: Model
    style: str
    width: int
    height: int
    seed: int
    num_inference_steps: int
    guidance_scale: float
    lora_scale: float
    output: Output
    brand: Brand
    """Without its image, which has to be opened first."""
    claim: Claim
    ruleset: str
    precompliance: str
    cache_pick: int
    """One of so many of the best cached pictures, 1–10."""
    warnings: tuple[str, ...]
    """Names of the fields that were repaired, in the contract's order."""


def repair(ask: GenerateRequest, catalog: Catalog, rulesets: Container[str]) -> Order:
    """Applies every fallback and clamp.

    Raises:
        InvalidField: `compliance_ruleset` names none that is configured.
    """
    repairs = _Repairs()
    model = catalog.model(repairs.choice("model", ask.model, tuple(catalog.models)))
    cache_pick = repairs.whole("cache_pick", ask.cache_pick, RANGES["cache_pick"])
    style = repairs.choice("style", ask.style, (model.default_style, *model.styles))
    width, height = repairs.size(ask.width, ask.height)
    picture_format = repairs.choice("format", ask.format, FORMATS)
    steps = Range(model.steps.default, model.steps.min, model.steps.max)
    guidance = Range(model.guidance.default, model.guidance.min, model.guidance.max)
    return Order(
        model=model,
        cache_pick=cache_pick,
        width=width,
        height=height,
        style=style,
        output=Output(
            format=picture_format,
            quality=repairs.whole("quality", ask.quality, RANGES["quality"]),
            lossless=repairs.lossless(ask.lossless, picture_format),
        ),
        ruleset=_ruleset(ask.compliance_ruleset, rulesets),
        precompliance=repairs.text("precompliance", ask.precompliance, MAX_PRECOMPLIANCE_CHARS),
        brand=Brand(
            position=repairs.choice("wm_position", ask.wm_position, POSITIONS),
            scale=repairs.whole("wm_scale", ask.wm_scale, RANGES["wm_scale"]),
            transparency=repairs.whole("wm_transparency", ask.wm_transparency, RANGES["wm_transparency"]),
            rotation=repairs.whole("wm_rotation", ask.wm_rotation, RANGES["wm_rotation"]),
            padding_x=repairs.whole("wm_padding_x", ask.wm_padding_x, RANGES["wm_padding_x"]),
            padding_y=repairs.whole("wm_padding_y", ask.wm_padding_y, RANGES["wm_padding_y"]),
        ),
        claim=Claim(
            author=repairs.text("cs_author", ask.cs_author, MAX_CLAIM_CHARS),
            title=repairs.text("cs_title", ask.cs_title, MAX_CLAIM_CHARS),
            description=repairs.text("cs_description", ask.cs_description, MAX_CLAIM_CHARS),
            organization=repairs.text("cs_organization", ask.cs_organization, MAX_CLAIM_CHARS),
            vendor=repairs.text("cs_vendor", ask.cs_vendor, MAX_CLAIM_CHARS),
        ),
        seed=repairs.seed(ask.seed),
        num_inference_steps=repairs.whole("steps", ask.steps, steps),
        guidance_scale=repairs.number("guidance", ask.guidance, guidance),
        lora_scale=repairs.number("lora_scale", ask.lora_scale, RANGES["lora_scale"]),
        warnings=repairs.warnings(),  # last: arguments are evaluated in order
    )


class _Repairs:
    """Remembers which fields it had to change."""

    def __init__(self) -> None:
        self._changed: list[str] = []

    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._changed))

    def choice(self, field: str, value: object, allowed: tuple[str, ...]) -> str:
        """One of the allowed words, or the first of them; absent and empty mean the first."""
        if isinstance(value, str) and value in allowed:
            return value
        if value is not None and value != "":
            self._changed.append(field)
        return allowed[0]

    def whole(self, field: str, value: float | None, range_: Range) -> int:
        return round(self.number(field, value, range_))

    def number(self, field: str, value: float | None, range_: Range) -> float:
        if value is None:
            return range_.default
        repaired = range_.default if math.isnan(value) else clamp(value, range_.low, range_.high)
        if repaired != value:
            self._changed.append(field)
        return float(repaired)

    def size(self, width: object, height: object) -> tuple[int, int]:
        """A pair of the list, or the first pair."""
        if width is None and height is None:
            return SIZES[0]
        wanted = (_whole(width), _whole(height))
        if wanted in SIZES:
            return wanted[0] or 0, wanted[1] or 0
        for field, value, fallback in zip(("width", "height"), wanted, SIZES[0], strict=True):
            if value != fallback:
                self._changed.append(field)
        return SIZES[0]

    def lossless(self, value: bool | None, picture_format: str) -> bool:  # noqa: FBT001 - it is the value, not a mode
        if value and picture_format not in LOSSLESS_FORMATS:
            self._changed.append("lossless")
        return bool(value) and picture_format in LOSSLESS_FORMATS

    def seed(self, value: object) -> int:
        if value is None:
            return secrets.randbelow(MAX_SEED + 1)
        whole = _whole(value)
        if whole is None or not 0 <= whole <= MAX_SEED:
            self._changed.append("seed")
            return secrets.randbelow(MAX_SEED + 1)
        return whole

    def text(self, field: str, value: str | None, max_chars: int) -> str:
        """The text without control characters, cut at its limit."""
        sent = value or ""
        looked_at = sent[: 2 * max_chars]  # a letter takes 0.1 µs, and a body holds 12 million
        plain = "".join(letter for letter in looked_at if letter.isprintable() or letter in "\n\t")
        if len(plain) > max_chars or len(sent) > len(looked_at):
            self._changed.append(field)
        return plain[:max_chars]


def _whole(value: object) -> int | None:
    """A whole number, from a number or from the digits that form-minded clients send; None: it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 12 else None  # noqa: PLR2004 - over any limit
    return value if isinstance(value, int) else None


def _ruleset(name: str | None, rulesets: Container[str]) -> str:
    wanted = (name or "").strip() or "default"
    if wanted not in rulesets:
        raise InvalidField("compliance_ruleset")
    return wanted
