"""Values of a request's fields, by kind: choices, numbers, texts, sizes; and the nearest valid value of each.

The limits are those of request.py and of the model. A dialect that repairs takes the nearest value (repair.py), one that refuses
raises where it differs from what was sent (strict.py).
"""

import math
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence

from imgen.domain.catalog import SIZES, Size, clamp, nearest_size
from imgen.domain.prompt import LOST
from imgen.domain.request import LOSSLESS_FORMATS, MAX_SEED, RANGES, UPSCALES, GenerateRequest, Range, in_order

_NONCHARACTERS = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufdd0-\ufdef" + _NONCHARACTERS + "]")
"""Control characters, overrides of the writing direction, lone surrogates and noncharacters. Kept are signs that Python calls
unprintable and scripts need: the ideographic and the no-break space, the zero-width joiners, direction marks, emoji tags."""


class FieldReader(ABC):
    """Reader of fields by kind of value: each method returns a valid value, and tells the field if it is not what was sent."""

    @abstractmethod
    def wrong(self, field: str) -> None:
        """Notes a field whose value is another than was sent, or has no effect; or refuses it."""

    @abstractmethod
    def is_absent(self, value: object) -> bool:
        """Returns whether a choice was left out."""

    def choice(self, field: str, value: object, allowed: tuple[str, ...]) -> str:
        """Returns the value if it is an allowed one, else the first of those; absent and empty mean the first."""
        if isinstance(value, str) and value in allowed:
            return value
        if not self.is_absent(value):
            self.wrong(field)
        return allowed[0]

    def integer(self, field: str, value: float | None, range_: Range | None = None) -> int:
        """Clamps a number and rounds it."""
        number = self.number(field, value, range_)
        if not number.is_integer():
            self.wrong(field)
        return round(number)

    def number(self, field: str, value: float | None, range_: Range | None = None) -> float:
        """Clamps a number to the range, by default the field's own; absent and NaN mean the default."""
        limits = range_ or RANGES[field]
        if value is None:
            return float(limits.default)
        normalized = limits.default if math.isnan(value) else clamp(value, limits.low, limits.high)
        if normalized != value:
            self.wrong(field)
        return float(normalized)

    def size(self, width: object, height: object, sizes: Sequence[Size]) -> Size:
        """Returns width and height if they are one of the model's sizes; an absent side is that of the first of them.

        A usual size that the model lacks becomes the nearest one, any other pair the first.
        """
        sent = tuple(
            fallback if self.is_absent(value) else _parse_int(value)
            for value, fallback in zip((width, height), sizes[0], strict=True)
        )
        usual = next((known for known in (*sizes, *SIZES) if known == sent), sizes[0])
        size = usual if usual in sizes else nearest_size(*usual, sizes)
        for field, value, used in zip(("width", "height"), sent, size, strict=True):
            if value != used:
                self.wrong(field)
        return size

    def lossless(self, value: bool | None, picture_format: str) -> bool:  # noqa: FBT001 - it is the value, not a mode
        """Returns the value if the format has a lossless mode."""
        if value and picture_format not in LOSSLESS_FORMATS:
            self.wrong("lossless")
        return bool(value) and picture_format in LOSSLESS_FORMATS

    def seed(self, value: object) -> int:
        """Returns the value if it is a seed, else a random one."""
        number = _parse_int(value)
        if number is not None and 0 <= number <= MAX_SEED:
            return number
        if not self.is_absent(value):
            self.wrong("seed")
        return secrets.randbelow(MAX_SEED + 1)

    def upscale(self, value: object) -> int:
        """Returns the value if it is one of UPSCALES, else 1."""
        number = _parse_int(value)
        if number in UPSCALES:
            return number
        if not self.is_absent(value):
            self.wrong("upscale")
        return UPSCALES[0]

    def text(self, field: str, value: str | None, max_chars: int) -> str:
        """Removes unprintable characters, and cuts the text at its limit."""
        sent = (value or "").replace("\r\n", "\n")
        start = sent[: 2 * max_chars]  # a body may hold 12 million letters
        plain = _UNPRINTABLE.sub("", start)
        normalized = plain[:max_chars]
        if normalized != sent:
            self.wrong(field)
        return normalized

    def note_lost(self, field: str, text: str) -> None:
        """Notes a prompt that loses characters which no store can keep."""
        if LOST.search(text):
            self.wrong(field)

    def note_idle_cache_fields(self, request: GenerateRequest) -> None:
        """Notes fields of the cache that count only with `use_cache`; a picture with a source is in no cache."""
        idle = {"use_cache", "cache_force"} if request.image is not None else set()
        idle |= {"cache_only", "cache_force"} if not request.use_cache else set()
        self._note(request, idle)

    def note_idle_input_fields(self, request: GenerateRequest) -> None:
        """Notes fields that count only with `image`."""
        if request.image is None:
            self._note(request, {"image_strength", "mask"})

    def _note(self, request: GenerateRequest, idle: set[str]) -> None:
        for name in in_order(idle):
            value = getattr(request, name)
            if value is not None and value is not False:  # a strength of 0 is a value
                self.wrong(name)


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
