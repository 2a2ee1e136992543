"""Normalization of a request: one call parses the prompt and gives every optional field a valid value (contract, `generate`).

A wrong value of an optional field is repaired and named in `warnings`, never refused: old clients must not break. Two
errors are refused all the same: an unknown ruleset, because safety never falls back in silence, and a prompt without words.
"""

import math
import secrets
from collections.abc import Container

from imgen.domain.catalog import SIZES, Catalog, clamp
from imgen.domain.errors import InvalidCharacter, InvalidField
from imgen.domain.prompt import parse
from imgen.domain.recipe import Attribution, Output, VisibleWatermark
from imgen.domain.request import (
    FORMATS,
    LOSSLESS_FORMATS,
    MAX_ATTRIBUTION_CHARS,
    MAX_PRECOMPLIANCE_CHARS,
    MAX_SEED,
    POSITIONS,
    RANGES,
    GenerateRequest,
    Range,
    ResolvedRequest,
)


def resolve(
    request: GenerateRequest, catalog: Catalog, rulesets: Container[str], *, max_prompt_chars: int
) -> ResolvedRequest:
    """Parses the prompt and normalizes every other field: applies each fallback and clamp.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters: see domain.prompt.parse.
        InvalidCharacter: the chosen model does not have the character.
        InvalidField: `prompt` or `negative` is too long, or `compliance_ruleset` names no configured one.
    """
    prompt, negative = request.prompt or "", request.negative or ""
    if len(prompt) > max_prompt_chars:
        raise InvalidField("prompt")
    parsed = parse(prompt, catalog.characters)
    if len(negative) > max_prompt_chars:
        raise InvalidField("negative")
    normalize = _Normalizer()
    model = catalog.model(normalize.choice("model", request.model, tuple(catalog.models)))
    cache_pick = normalize.integer("cache_pick", request.cache_pick, RANGES["cache_pick"])
    style = normalize.choice("style", request.style, (model.default_style, *model.styles))
    width, height = normalize.size(request.width, request.height)
    picture_format = normalize.choice("format", request.format, FORMATS)
    steps = Range(model.steps.default, model.steps.min, model.steps.max)
    guidance = Range(model.guidance.default, model.guidance.min, model.guidance.max)
    resolved = ResolvedRequest(
        parsed=parsed,
        negative=negative.strip(),
        model=model,
        cache_pick=cache_pick,
        width=width,
        height=height,
        style=style,
        output=Output(
            format=picture_format,
            quality=normalize.integer("quality", request.quality, RANGES["quality"]),
            lossless=normalize.lossless(request.lossless, picture_format),
        ),
        ruleset=_ruleset(request.compliance_ruleset, rulesets),
        precompliance=normalize.text("precompliance", request.precompliance, MAX_PRECOMPLIANCE_CHARS),
        visible_watermark=VisibleWatermark(
            position=normalize.choice("wm_position", request.wm_position, POSITIONS),
            scale=normalize.integer("wm_scale", request.wm_scale, RANGES["wm_scale"]),
            transparency=normalize.integer("wm_transparency", request.wm_transparency, RANGES["wm_transparency"]),
            rotation=normalize.integer("wm_rotation", request.wm_rotation, RANGES["wm_rotation"]),
            padding_x=normalize.integer("wm_padding_x", request.wm_padding_x, RANGES["wm_padding_x"]),
            padding_y=normalize.integer("wm_padding_y", request.wm_padding_y, RANGES["wm_padding_y"]),
        ),
        attribution=Attribution(
            author=normalize.text("cs_author", request.cs_author, MAX_ATTRIBUTION_CHARS),
            title=normalize.text("cs_title", request.cs_title, MAX_ATTRIBUTION_CHARS),
            description=normalize.text("cs_description", request.cs_description, MAX_ATTRIBUTION_CHARS),
            organization=normalize.text("cs_organization", request.cs_organization, MAX_ATTRIBUTION_CHARS),
            vendor=normalize.text("cs_vendor", request.cs_vendor, MAX_ATTRIBUTION_CHARS),
        ),
        seed=normalize.seed(request.seed),
        num_inference_steps=normalize.integer("steps", request.steps, steps),
        guidance_scale=normalize.number("guidance", request.guidance, guidance),
        lora_scale=normalize.number("lora_scale", request.lora_scale, RANGES["lora_scale"]),
        warnings=normalize.warnings(),  # last: arguments are evaluated in order
    )
    if parsed.character and parsed.character not in catalog.characters_of(model):
        raise InvalidCharacter
    return resolved


class _Normalizer:
    """Normalization of fields by kind of value; remembers the fields that it changed."""

    def __init__(self) -> None:
        self._changed: list[str] = []

    def warnings(self) -> tuple[str, ...]:
        """Returns the changed fields, in the order of the calls."""
        return tuple(dict.fromkeys(self._changed))

    def choice(self, field: str, value: object, allowed: tuple[str, ...]) -> str:
        """Returns the value if it is an allowed one, else the first of those; absent and empty mean the first."""
        if isinstance(value, str) and value in allowed:
            return value
        if value is not None and value != "":
            self._changed.append(field)
        return allowed[0]

    def integer(self, field: str, value: float | None, range_: Range) -> int:
        """Clamps a number and rounds it."""
        return round(self.number(field, value, range_))

    def number(self, field: str, value: float | None, range_: Range) -> float:
        """Clamps a number; absent and NaN mean the default."""
        if value is None:
            return range_.default
        normalized = range_.default if math.isnan(value) else clamp(value, range_.low, range_.high)
        if normalized != value:
            self._changed.append(field)
        return float(normalized)

    def size(self, width: object, height: object) -> tuple[int, int]:
        """Returns width and height if they are one of SIZES, else the first of those."""
        if width is None and height is None:
            return SIZES[0]
        size = (_parse_int(width), _parse_int(height))
        if size in SIZES:
            return size[0] or 0, size[1] or 0
        for field, value, fallback in zip(("width", "height"), size, SIZES[0], strict=True):
            if value != fallback:
                self._changed.append(field)
        return SIZES[0]

    def lossless(self, value: bool | None, picture_format: str) -> bool:  # noqa: FBT001 - it is the value, not a mode
        """Returns the value if the format has a lossless mode."""
        if value and picture_format not in LOSSLESS_FORMATS:
            self._changed.append("lossless")
        return bool(value) and picture_format in LOSSLESS_FORMATS

    def seed(self, value: object) -> int:
        """Returns the value if it is a seed, else a random one."""
        if value is None:
            return secrets.randbelow(MAX_SEED + 1)
        number = _parse_int(value)
        if number is None or not 0 <= number <= MAX_SEED:
            self._changed.append("seed")
            return secrets.randbelow(MAX_SEED + 1)
        return number

    def text(self, field: str, value: str | None, max_chars: int) -> str:
        """Removes control characters, and cuts the text at its limit."""
        sent = value or ""
        start = sent[: 2 * max_chars]  # a letter takes 0.1 µs, and a body holds 12 million
        plain = "".join(letter for letter in start if letter.isprintable() or letter in "\n\t")
        if len(plain) > max_chars or len(sent) > len(start):
            self._changed.append(field)
        return plain[:max_chars]


def _parse_int(value: object) -> int | None:
    """Parses an integer from a number, or from digits as HTML forms send them; None: it is no integer."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 12 else None  # noqa: PLR2004 - over any limit
    return value if isinstance(value, int) else None


def _ruleset(name: str | None, rulesets: Container[str]) -> str:
    """Returns the named ruleset; absent and empty mean `default`.

    Raises:
        InvalidField: it is not configured.
    """
    key = (name or "").strip() or "default"
    if key not in rulesets:
        raise InvalidField("compliance_ruleset")
    return key
