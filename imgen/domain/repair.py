"""Normalization of a request: one call parses the prompt and gives every optional field a valid value (contract, `generate`).

A wrong value of an optional field is repaired and named in `warnings`, never refused: old clients must not break. Two
errors are refused all the same: an unknown ruleset, because safety never falls back in silence, and a prompt without words.
"""

import math
import re
import secrets
from collections.abc import Container, Sequence

from msgspec import structs

from imgen.domain.catalog import SIZES, Catalog, Size, clamp, nearest_size
from imgen.domain.errors import InvalidCharacter, InvalidField
from imgen.domain.prompt import LOST, clean, parse
from imgen.domain.recipe import Attribution, Output, VisibleWatermark
from imgen.domain.request import (
    FORMATS,
    LOSSLESS_FORMATS,
    MAX_ATTRIBUTION_CHARS,
    MAX_PRECOMPLIANCE_CHARS,
    MAX_SEED,
    POSITIONS,
    RANGES,
    UPSCALES,
    GenerateRequest,
    Range,
    ResolvedRequest,
    in_order,
)

_NONCHARACTERS = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufdd0-\ufdef" + _NONCHARACTERS + "]")
"""Control characters, overrides of the writing direction, lone surrogates and noncharacters. Kept are signs that Python calls
unprintable and scripts need: the ideographic and the no-break space, the zero-width joiners, direction marks, emoji tags."""


def resolve(
    request: GenerateRequest,
    catalog: Catalog,
    rulesets: Container[str],
    *,
    max_prompt_chars: int,
    open_jobs: int = 0,
) -> ResolvedRequest:
    """Parses the prompt and normalizes every other field: applies each fallback and clamp.

    Args:
        request: as it was sent.
        catalog: models and characters.
        rulesets: names of the configured ones.
        max_prompt_chars: limit of `prompt` and of `negative`.
        open_jobs: limit of the tenant's plan, 0: none; `n` is clamped to it.

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
    normalize.note_lost("prompt", prompt)
    normalize.note_lost("negative", negative)
    model = catalog.model(normalize.choice("model", request.model, tuple(catalog.models)))
    width, height = normalize.size(request.width, request.height, model.sizes)
    picture_format = normalize.choice("format", request.format, FORMATS)
    steps = Range(model.steps.default, model.steps.min, model.steps.max)
    guidance = Range(model.guidance.default, model.guidance.min, model.guidance.max)
    normalize.note_idle_cache_fields(request)
    normalize.note_idle_input_fields(request)
    resolved = ResolvedRequest(
        parsed=parsed,
        negative=clean(negative).strip(),
        model=model,
        cache_pick=normalize.integer("cache_pick", request.cache_pick),
        width=width,
        height=height,
        style=normalize.choice("style", request.style, (model.default_style, *model.styles)),
        output=Output(
            format=picture_format,
            quality=normalize.integer("quality", request.quality),
            lossless=normalize.lossless(request.lossless, picture_format),
        ),
        ruleset=_ruleset(request.compliance_ruleset, rulesets),
        precompliance=normalize.text("precompliance", request.precompliance, MAX_PRECOMPLIANCE_CHARS),
        visible_watermark=VisibleWatermark(
            position=normalize.choice("wm_position", request.wm_position, POSITIONS),
            scale=normalize.integer("wm_scale", request.wm_scale),
            transparency=normalize.integer("wm_transparency", request.wm_transparency),
            rotation=normalize.integer("wm_rotation", request.wm_rotation),
            padding_x=normalize.integer("wm_padding_x", request.wm_padding_x),
            padding_y=normalize.integer("wm_padding_y", request.wm_padding_y),
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
        lora_scale=normalize.number("lora_scale", request.lora_scale),
        n=normalize.integer("n", request.n, _pictures(open_jobs)),
        image_strength=normalize.number("image_strength", request.image_strength),
        upscale=normalize.upscale(request.upscale),
        warnings=normalize.warnings(),  # last: arguments are evaluated in order
    )
    if parsed.character and parsed.character not in catalog.characters_of(model):
        raise InvalidCharacter
    return resolved


def fit_source(resolved: ResolvedRequest, request: GenerateRequest, size: tuple[int, int]) -> ResolvedRequest:
    """Gives a request without a size the one of its model nearest to its source's; `size` is width and height of that."""
    if not (is_absent(request.width) and is_absent(request.height)):
        return resolved
    width, height = nearest_size(*size, resolved.model.sizes)
    return structs.replace(resolved, width=width, height=height)


class _Normalizer:
    """Normalization of fields by kind of value; remembers the fields that it changed."""

    def __init__(self) -> None:
        self._changed: list[str] = []

    def warnings(self) -> tuple[str, ...]:
        """Returns the changed fields."""
        return in_order(self._changed)

    def choice(self, field: str, value: object, allowed: tuple[str, ...]) -> str:
        """Returns the value if it is an allowed one, else the first of those; absent and empty mean the first."""
        if isinstance(value, str) and value in allowed:
            return value
        if not is_absent(value):
            self._changed.append(field)
        return allowed[0]

    def integer(self, field: str, value: float | None, range_: Range | None = None) -> int:
        """Clamps a number and rounds it."""
        number = self.number(field, value, range_)
        if not number.is_integer():
            self._changed.append(field)
        return round(number)

    def number(self, field: str, value: float | None, range_: Range | None = None) -> float:
        """Clamps a number to the range, by default the field's own; absent and NaN mean the default."""
        limits = range_ or RANGES[field]
        if value is None:
            return float(limits.default)
        normalized = limits.default if math.isnan(value) else clamp(value, limits.low, limits.high)
        if normalized != value:
            self._changed.append(field)
        return float(normalized)

    def size(self, width: object, height: object, sizes: Sequence[Size]) -> Size:
        """Returns width and height if they are one of the model's sizes; an absent side is that of the first of them.

        A usual size that the model lacks becomes the nearest one, any other pair the first.
        """
        sent = tuple(
            fallback if is_absent(value) else _parse_int(value)
            for value, fallback in zip((width, height), sizes[0], strict=True)
        )
        usual = next((known for known in (*sizes, *SIZES) if known == sent), sizes[0])
        size = usual if usual in sizes else nearest_size(*usual, sizes)
        self._changed += [
            field for field, value, used in zip(("width", "height"), sent, size, strict=True) if value != used
        ]
        return size

    def lossless(self, value: bool | None, picture_format: str) -> bool:  # noqa: FBT001 - it is the value, not a mode
        """Returns the value if the format has a lossless mode."""
        if value and picture_format not in LOSSLESS_FORMATS:
            self._changed.append("lossless")
        return bool(value) and picture_format in LOSSLESS_FORMATS

    def seed(self, value: object) -> int:
        """Returns the value if it is a seed, else a random one."""
        number = _parse_int(value)
        if number is not None and 0 <= number <= MAX_SEED:
            return number
        if not is_absent(value):
            self._changed.append("seed")
        return secrets.randbelow(MAX_SEED + 1)

    def upscale(self, value: object) -> int:
        """Returns the value if it is one of UPSCALES, else 1."""
        number = _parse_int(value)
        if number in UPSCALES:
            return number
        if not is_absent(value):
            self._changed.append("upscale")
        return UPSCALES[0]

    def text(self, field: str, value: str | None, max_chars: int) -> str:
        """Removes unprintable characters, and cuts the text at its limit."""
        sent = (value or "").replace("\r\n", "\n")
        start = sent[: 2 * max_chars]  # a body may hold 12 million letters
        plain = _UNPRINTABLE.sub("", start)
        normalized = plain[:max_chars]
        if normalized != sent:
            self._changed.append(field)
        return normalized

    def note_lost(self, field: str, text: str) -> None:
        """Notes a prompt that loses characters which no store can keep."""
        if LOST.search(text):
            self._changed.append(field)

    def note_idle_cache_fields(self, request: GenerateRequest) -> None:
        """Notes fields of the cache that count only with `use_cache`; a picture with a source is in no cache."""
        if request.image is not None:
            self._changed += [name for name in ("use_cache", "cache_force") if getattr(request, name)]
        if not request.use_cache:
            self._changed += [name for name in ("cache_only", "cache_force") if getattr(request, name)]

    def note_idle_input_fields(self, request: GenerateRequest) -> None:
        """Notes fields that count only with `image`."""
        if request.image is None:
            self._changed += [name for name in ("image_strength", "mask") if getattr(request, name) is not None]


def is_absent(value: object) -> bool:
    """Returns whether a choice was left out; forms send an empty text for that."""
    return value is None or (isinstance(value, str) and not value.strip())


def _parse_int(value: object) -> int | None:
    """Parses an integer from a number, or from digits as HTML forms send them; None: it is no integer."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        digits = value.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None  # noqa: PLR2004 - over any limit
    return value if isinstance(value, int) else None


def _pictures(open_jobs: int) -> Range:
    """Returns the range of `n` under a plan's limit of open jobs; 0: it has none."""
    limits = RANGES["n"]
    return limits._replace(high=min(limits.high, open_jobs or limits.high))


def _ruleset(name: str | None, rulesets: Container[str]) -> str:
    """Returns the named ruleset; absent and empty mean `default`.

    Raises:
        InvalidField: it is not configured.
    """
    key = (name or "").strip() or "default"
    if key not in rulesets:
        raise InvalidField("compliance_ruleset")
    return key
