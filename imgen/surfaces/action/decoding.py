"""Decoder of the requests: one tagged union of the Structs in ACTIONS. Its errors name the wrong part of a body."""

import re
from functools import reduce
from operator import or_

import msgspec
from msgspec import Struct, field

from imgen.domain.errors import ImgenError, InvalidField, InvalidJson, MissingAction, UnknownAction
from imgen.surfaces.action.actions import ACTIONS, Action

_decoder: msgspec.json.Decoder[Struct] = msgspec.json.Decoder(
    reduce(or_, (action.request for action in ACTIONS.values())), strict=False
)  # not strict: PHP and forms send "95" and "true"
_FIELD = re.compile(r"`\$\.(\w+)")


class _Tag(Struct):
    action: object = field(default=None)


def decode(body: bytes) -> Struct:
    """Decodes a request.

    Raises:
        InvalidJson: the body is no JSON object.
        MissingAction, UnknownAction: `action` is missing or unknown.
        InvalidField: a field has a JSON type that cannot be replaced.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise _reason(body, str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidJson from exc


def action_of(call: Struct) -> Action:
    """Returns the row of a decoded request."""
    return ACTIONS[str(call.__struct_config__.tag)]


def _reason(body: bytes, message: str) -> ImgenError:
    """Returns the error of a body that is no valid call: JSON first, then the action, then its fields."""
    try:
        tag = msgspec.json.decode(body, type=_Tag).action
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return InvalidJson()
    if tag is None or tag == "":
        return MissingAction()
    if not isinstance(tag, str) or tag not in ACTIONS:
        return UnknownAction()
    where = _FIELD.search(message)
    return InvalidField(where.group(1)) if where else InvalidJson()
