"""Choices and pictures: values of fields that are decoded when they are needed, not with the body."""

from functools import partial

import msgspec
from msgspec import structs

from imgen.domain.data_uri import decode_data_uri
from imgen.domain.request import GenerateRequest, ReadPicture
from imgen.services.uploads import MAX_LOGO_BYTES
from imgen.surfaces.action.wire import Cancel, Choice, Generate, Status

_GENERATE_CHOICES = tuple(field.name for field in structs.fields(Generate) if field.type is Choice)
_scalar = msgspec.json.Decoder(str | int | float | bool | None)


def choice(raw: Choice) -> object:
    """Decodes a Choice; None: left out. Anything but text, number, bool and null is returned undecoded: it is no valid choice."""
    if not raw:
        return None
    try:
        return _scalar.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw


def request_of(call: Generate) -> GenerateRequest:
    """Returns the call with decoded choices, as the core's request; its pictures are still to be read."""
    choices = {name: choice(getattr(call, name)) for name in _GENERATE_CHOICES}
    return structs.replace(call, **choices, wm_image=_picture("wm_image", call.wm_image, MAX_LOGO_BYTES))


def _picture(field: str, uri: str | None, max_bytes: int) -> ReadPicture | None:
    """Returns the reader of a picture in a data URI; None: the field is left out or blank."""
    if not uri or uri.isspace():
        return None
    return partial(decode_data_uri, uri, field=field, max_bytes=max_bytes)


def job_id_of(call: Status | Cancel) -> str:
    """Returns the job id; empty: it is no text."""
    sent = choice(call.id)
    return sent if isinstance(sent, str) else ""
