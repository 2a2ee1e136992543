"""Repair of a request: one call parses the prompt and gives every optional field a valid value (contract, `generate`).

A wrong value of an optional field is repaired and named in `warnings`, never refused: old clients must not break. Two
things are refused all the same: an unknown ruleset, because safety never falls back in silence, and a prompt without words.
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
    repairs = _Repairs()
    model = catalog.model(repairs.choice("model", request.model, tuple(catalog.models)))
    cache_pick = repairs.whole("cache_pick", request.cache_pick, RANGES["cache_pick"])
    style = repairs.choice("style", request.style, (model.default_style, *model.styles))
    width, height = repairs.size(request.width, request.height)
    picture_format = repairs.choice("format", request.format, FORMATS)
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
            quality=repairs.whole("quality", request.quality, RANGES["quality"]),
            lossless=repairs.lossless(request.lossless, picture_format),
        ),
        ruleset=_ruleset(request.compliance_ruleset, rulesets),
        precompliance=repairs.text("precompliance", request.precompliance, MAX_PRECOMPLIANCE_CHARS),
        visible_watermark=VisibleWatermark(
            position=repairs.choice("wm_position", request.wm_position, POSITIONS),
            scale=repairs.whole("wm_scale", request.wm_scale, RANGES["wm_scale"]),
            transparency=repairs.whole("wm_transparency", request.wm_transparency, RANGES["wm_transparency"]),
            rotation=repairs.whole("wm_rotation", request.wm_rotation, RANGES["wm_rotation"]),
            padding_x=repairs.whole("wm_padding_x", request.wm_padding_x, RANGES["wm_padding_x"]),
            padding_y=repairs.whole("wm_padding_y", request.wm_padding_y, RANGES["wm_padding_y"]),
        ),
        attribution=Attribution(
            author=repairs.text("cs_author", request.cs_author, MAX_ATTRIBUTION_CHARS),
            title=repairs.text("cs_title", request.cs_title, MAX_ATTRIBUTION_CHARS),
            description=repairs.text("cs_description", request.cs_description, MAX_ATTRIBUTION_CHARS),
            organization=repairs.text("cs_organization", request.cs_organization, MAX_ATTRIBUTION_CHARS),
            vendor=repairs.text("cs_vendor", request.cs_vendor, MAX_ATTRIBUTION_CHARS),
        ),
        seed=repairs.seed(request.seed),
        num_inference_steps=repairs.whole("steps", request.steps, steps),
        guidance_scale=repairs.number("guidance", request.guidance, guidance),
        lora_scale=repairs.number("lora_scale", request.lora_scale, RANGES["lora_scale"]),
        warnings=repairs.warnings(),  # last: arguments are evaluated in order
    )
    if parsed.character and parsed.character not in catalog.characters_of(model):
        raise InvalidCharacter
    return resolved


class _Repairs:
    """Normalized values, and the fields among them that were changed."""

    def __init__(self) -> None:
        self._changed: list[str] = []

    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._changed))

    def choice(self, field: str, value: object, allowed: tuple[str, ...]) -> str:
        """Returns one of the allowed words, or the first of them; absent and empty mean the first."""
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
        """Returns a pair of the list, or the first pair."""
        if width is None and height is None:
            return SIZES[0]
        wanted = (_parse_int(width), _parse_int(height))
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
        whole = _parse_int(value)
        if whole is None or not 0 <= whole <= MAX_SEED:
            self._changed.append("seed")
            return secrets.randbelow(MAX_SEED + 1)
        return whole

    def text(self, field: str, value: str | None, max_chars: int) -> str:
        """Removes control characters, and cuts the text at its limit."""
        sent = value or ""
        looked_at = sent[: 2 * max_chars]  # a letter takes 0.1 µs, and a body holds 12 million
        plain = "".join(letter for letter in looked_at if letter.isprintable() or letter in "\n\t")
        if len(plain) > max_chars or len(sent) > len(looked_at):
            self._changed.append(field)
        return plain[:max_chars]


def _parse_int(value: object) -> int | None:
    """Parses a whole number from a number, or from digits as HTML forms send them; None: it is none."""
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
