"""Choices: values of the fields of any JSON type, decoded when a handler needs them."""

import msgspec
from msgspec import structs

from imgen.domain.request import GenerateRequest
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
    """Returns the call with decoded choices, as the core's request."""
    return structs.replace(call, **{name: choice(getattr(call, name)) for name in _GENERATE_CHOICES})


def job_id_of(call: Status | Cancel) -> str:
    """Returns the job id; empty: it is no text."""
    sent = choice(call.id)
    return sent if isinstance(sent, str) else ""
