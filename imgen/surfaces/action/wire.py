"""Requests of the Action API as one tagged union of Structs, and the decoder, whose errors name the wrong part of a body."""

import re

import msgspec
from msgspec import Struct, field, structs

from imgen.domain.errors import ImgenError, InvalidField, InvalidJson, MissingAction, UnknownAction
from imgen.domain.request import GenerateRequest

Choice = msgspec.Raw
"""Field of any JSON type, kept undecoded until `choice` decodes it: 12 MiB of `[[],[],[]…` would become 300 MB of lists.
Empty: left out."""


class _Call(Struct, frozen=True, kw_only=True, tag_field="action"):
    pass


class Models(_Call, frozen=True, kw_only=True, tag="models"):
    """Request for models, styles and characters."""


class Generate(GenerateRequest, frozen=True, kw_only=True, tag_field="action", tag="generate"):
    """Request for a picture. Wrong values of Choice fields are replaced (contract, `generate`)."""

    model: Choice = Choice()
    width: Choice = Choice()
    height: Choice = Choice()
    style: Choice = Choice()
    format: Choice = Choice()
    wm_position: Choice = Choice()
    seed: Choice = Choice()


class Status(_Call, frozen=True, kw_only=True, tag="status"):
    """Request for the state of a job. `prompt` and `model` are ignored; old clients send them."""

    id: Choice = Choice()
    prompt: Choice = Choice()
    model: Choice = Choice()


class Optimize(_Call, frozen=True, kw_only=True, tag="optimize"):
    """Request for an improved prompt, without a picture."""

    prompt: str | None = None
    model: Choice = Choice()
    style: Choice = Choice()


class Random(_Call, frozen=True, kw_only=True, tag="random"):
    """Request for a prompt from the word lists. `character` left out: a random one; empty: none."""

    character: Choice = Choice()


class Cancel(_Call, frozen=True, kw_only=True, tag="cancel"):
    """Request to cancel a job."""

    id: Choice = Choice()


class Jobs(_Call, frozen=True, kw_only=True, tag="jobs"):
    """Request for the tenant's latest jobs."""

    limit: float | None = None
    cursor: str | None = None
    status: Choice = Choice()


class Usage(_Call, frozen=True, kw_only=True, tag="usage"):
    """Request for counts, limits and the remainder."""


Call = Models | Generate | Status | Optimize | Random | Cancel | Jobs | Usage

_decoder: msgspec.json.Decoder[Call] = msgspec.json.Decoder(
    Call, strict=False
)  # not strict: PHP and forms send "95" and "true"
_FIELD = re.compile(r"`\$\.(\w+)")


class _Tag(Struct):
    action: object = field(default=None)


def decode(body: bytes) -> Call:
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


def _reason(body: bytes, message: str) -> ImgenError:
    """Returns the error of a body that is no valid call: JSON first, then the action, then its fields."""
    try:
        tag = msgspec.json.decode(body, type=_Tag).action
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return InvalidJson()
    if tag is None or tag == "":
        return MissingAction()
    if not isinstance(tag, str) or tag not in ACTION_NAMES:
        return UnknownAction()
    where = _FIELD.search(message)
    return InvalidField(where.group(1)) if where else InvalidJson()


ACTION_NAMES = frozenset(kind.__struct_config__.tag for kind in Call.__args__)


def name_of(call: Call) -> str:
    """Returns the action's name."""
    return str(call.__struct_config__.tag)


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
