"""Strict decoding of bodies and arguments: a value of a wrong type or out of range is refused, with the name of its field."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from imgen.domain.errors import InvalidField, InvalidJson

S = TypeVar("S", bound=Struct)
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
"""End of the library's message: the path of the wrong value."""
_TYPE = re.compile(r"`(str|int|float|bool|object|array|null)(?: \| null)?`")
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
"""Type in the library's message → words for callers of any language."""


def decode(body: bytes, kind: type[S]) -> S:
    """Decodes a JSON object.

    Raises:
        InvalidJson: the body is no JSON object.
        InvalidField: a field is missing, of the wrong type or out of range.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        raise _error(str(exc), kind) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidJson from exc


def convert(texts: Mapping[str, str], kind: type[S]) -> S:
    """Converts the fields of a form, all of which are text.

    Raises:
        InvalidField: a field is missing, none of its type or out of range.
    """
    try:
        return msgspec.convert(texts, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise _error(str(exc), kind) from exc


def convert_object(value: Any, kind: type[S]) -> S:
    """Converts a decoded JSON object.

    Raises:
        InvalidJson, InvalidField: as for `decode`.
    """
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as exc:
        raise _error(str(exc), kind) from exc


def one_of(field: str, values: Iterable[str]) -> InvalidField:
    """Returns the error of a field that has none of its values."""
    return InvalidField(field, f"{field} is one of {', '.join(values)}")


def _error(message: str, kind: type[Struct]) -> InvalidField | InvalidJson:
    if missing := re.fullmatch(r"Object missing required field `([^`]+)`", message):
        return InvalidField(missing[1], f"{missing[1]} is required")
    place = _PLACE.search(message)
    if place is None or not place[1]:  # the body itself is of another type
        return InvalidJson()
    field, reason = place[1], message[: place.start()]
    if reason.startswith("Invalid enum value"):
        return one_of(field, _values(kind, field))
    words = _TYPE.sub(lambda found: _WORDS[found[1]], reason)
    return InvalidField(field, f"{field}: {words[:1].lower()}{words[1:]}")


def _values(kind: type[Struct], field: str) -> list[str]:
    """Returns the values of a field that has some."""
    either = msgspec.json.schema_components((kind,))[1][kind.__name__]["properties"][field]
    return [value for part in either.get("anyOf", (either,)) for value in part.get("enum", ())]
