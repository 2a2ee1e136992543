"""Decoder of the requests: one tagged union of the Structs in ACTIONS. Its errors name the wrong part of a body."""

import re
from functools import reduce
from operator import or_

import msgspec
from msgspec import Struct

from imgen.domain.errors import ImgenError, InvalidJson, MissingAction, UnknownAction
from imgen.surfaces.action.actions import ACTIONS, Action
from imgen.surfaces.action.choices import choice
from imgen.surfaces.action.wire import Choice

_decoder: msgspec.json.Decoder[Struct] = msgspec.json.Decoder(
    reduce(or_, (action.request for action in ACTIONS.values())), strict=False
)  # not strict: PHP and forms send "95" and "true"
_SURROGATE = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})")
"""Escape of a surrogate, or of a pair of them."""
_LOST = rb"\uffff"
"""Noncharacter in the place of a lone surrogate; every text drops it (domain.prompt.LOST), and no name has it."""
_MAX_SURROGATES = 20_000
"""Surrogates of a body that are looked at: the longest prompt has no more, and each takes a microsecond."""

_MAX_BACKSLASHES = 1000
"""Backslashes before a surrogate that are counted; one at a time, 12 MiB of them would take seconds."""


class _Tag(Struct):
    action: Choice = Choice()


def decode(body: bytes) -> Struct:
    """Decodes a request.

    Lone surrogates, which JSON can spell and msgspec refuses, become a noncharacter: `JSON.stringify` of a text that was cut
    in the middle of an emoji has one.

    Raises:
        InvalidJson: the body is no JSON object.
        MissingAction, UnknownAction: `action` is missing or unknown.
    """
    try:
        return _decode(body)
    except InvalidJson:
        if _SURROGATE.search(body) is None:
            raise
        return _decode(_SURROGATE.sub(_pair_or_lost, body, count=_MAX_SURROGATES))


def _decode(body: bytes) -> Struct:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise _reason(body) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidJson from exc


def _pair_or_lost(found: re.Match[bytes]) -> bytes:
    """Returns a pair as it is, and _LOST for a lone surrogate; a backslash before an escape makes it text."""
    before = found.string[max(0, found.start() - _MAX_BACKSLASHES) : found.start()]
    backslashes = len(before) - len(before.rstrip(b"\\"))
    if backslashes % 2:
        return found[0][:6] + (_LOST if found[1] else b"")
    return found[0] if found[1] else _LOST


def action_of(call: Struct) -> Action:
    """Returns the row of a decoded request."""
    return ACTIONS[str(call.__struct_config__.tag)]


def _reason(body: bytes) -> ImgenError:
    """Returns the error of a body that is no valid call: JSON first, then the action.

    Nothing but the action is decoded: strangers' lists would become Python's, at twenty times their size.
    """
    try:
        name = choice(msgspec.json.decode(body, type=_Tag).action)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return InvalidJson()
    if name is None or name == "":
        return MissingAction()
    if not isinstance(name, str) or name not in ACTIONS:
        return UnknownAction()
    return InvalidJson()
