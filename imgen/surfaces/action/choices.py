"""Lenient decoding of the fields of a request: numbers and flags as forms and PHP send them, choices of any JSON type, pictures.

A field that was sent as an empty string counts as left out. Wrong values of the right type are the domain's to repair.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from imgen.domain.data_uri import decode_data_uri
from imgen.domain.errors import InvalidField, InvalidJson
from imgen.domain.request import FIELDS, GenerateRequest, PictureSource, ReadPicture
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.surfaces.action.wire import Cancel, Choice, Status, Upload, Verify

_scalar = msgspec.json.Decoder(str | int | float | bool | None)
_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?|[+-]?inf(?:inity)?|nan", re.ASCII | re.IGNORECASE)
"""Possessive: twelve megabytes of digits with a letter behind them are read once."""
_FLAGS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
"""Text of a flag, in lower case → value."""
_ABSENT = frozenset({"", "null"})
"""Texts that count as left out, for numbers and flags."""


def choice(raw: Choice) -> object:
    """Decodes a Choice; None: left out. Anything but text, number, bool and null is returned undecoded: it is no valid choice."""
    if not raw:
        return None
    try:
        return _scalar.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw


def text(field: str, raw: Choice) -> str | None:
    """Decodes a text; None: left out.

    Raises:
        InvalidField: it is of another JSON type.
        InvalidJson: it is not UTF-8.
    """
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw, type=str | None)
    except msgspec.ValidationError as exc:
        raise InvalidField(field) from exc
    except UnicodeDecodeError as exc:
        raise InvalidJson from exc


def number(field: str, raw: Choice) -> float | None:
    """Decodes a number, or a text that holds one; None: left out. One that no float can hold is infinite.

    Raises:
        InvalidField: it is neither.
    """
    words = _words(field, raw)
    if words in _ABSENT:
        return None
    if not _NUMBER.fullmatch(words):
        raise InvalidField(field)
    return float(words)


def flag(field: str, raw: Choice) -> bool | None:
    """Decodes a flag, 0 or 1, or a text of _FLAGS; None: left out.

    Raises:
        InvalidField: it is neither.
    """
    words = _words(field, raw).lower()
    if words in _ABSENT:
        return None
    if words not in _FLAGS:
        raise InvalidField(field)
    return _FLAGS[words]


def picture(field: str, raw: Choice) -> ReadPicture | None:
    """Returns the reader of a picture in a data URI; None: the field is left out or blank.

    Raises:
        InvalidField: it is no text.
    """
    uri = text(field, raw)
    if not uri or uri.isspace():
        return None
    return partial(decode_data_uri, uri, field=field, max_bytes=MAX_LOGO_BYTES)


def picture_source(field: str, raw: Choice) -> PictureSource | None:
    """Returns the reader of a picture in a data URI, or the text as an id; None: the field is left out or blank.

    Raises:
        InvalidField: it is no text.
    """
    sent = (text(field, raw) or "").strip()
    if sent[:5].casefold() != "data:":
        return sent or None
    return partial(decode_data_uri, sent, field=field, max_bytes=MAX_INLINE_BYTES)


_DECODERS: dict[Any, Callable[[str, Choice], Any]] = {
    str | None: text,
    float | None: number,
    bool | None: flag,
    ReadPicture | None: picture,
    PictureSource | None: picture_source,
    object: lambda _field, raw: choice(raw),
}
"""Type of a field of GenerateRequest → its decoder."""


def request_of(call: Struct) -> GenerateRequest:
    """Returns the call as the core's request.

    Raises:
        InvalidField: a value of a JSON type that cannot be repaired.
    """
    return GenerateRequest(
        **{name: _DECODERS[about.value_type](name, getattr(call, name)) for name, about in FIELDS.items()}
    )


def upload_of(call: Upload) -> ReadPicture:
    """Returns the reader of the picture to keep.

    Raises:
        InvalidField: it is left out, or no data URI.
    """
    read = picture_source("image", call.image)
    if read is None or isinstance(read, str):
        raise InvalidField("image")
    return read


def source_of(call: Verify) -> PictureSource:
    """Returns the reader of the picture to verify, or the id of an upload.

    Raises:
        InvalidField: it is left out, or no text.
    """
    source = picture_source("image", call.image)
    if source is None:
        raise InvalidField("image")
    return source


def job_id_of(call: Status | Cancel) -> str:
    """Returns the job id; empty: it is no text."""
    sent = choice(call.id)
    return sent if isinstance(sent, str) else ""


def _words(field: str, raw: Choice) -> str:
    """Returns the text of a scalar as it was sent, without quotes and spaces around it; empty: left out."""
    token = bytes(raw)
    if token.startswith(b'"'):
        return (text(field, raw) or "").strip()
    return token.decode("utf-8", "replace")
