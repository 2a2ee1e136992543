"""The Action API's requests as one tagged union of Structs, and the decoder that names what is wrong with a body."""

import re

import msgspec
from msgspec import Struct, field, structs

from imgen.domain.errors import ImgenError, InvalidField, InvalidJson, MissingAction, UnknownAction
from imgen.domain.request import GenerateRequest

Choice = msgspec.Raw
"""A field that takes anything, kept as it came until `choice` reads it: 12 MiB of `[[],[],[]…` would become 300 MB of
lists that nobody looks at. Empty: left out."""


class _Call(Struct, frozen=True, kw_only=True, tag_field="action"):
    pass


class Models(_Call, frozen=True, kw_only=True, tag="models"):
    """Models, styles and characters."""


class Generate(GenerateRequest, frozen=True, kw_only=True, tag_field="action", tag="generate"):
    """Make a picture. Choice fields take anything: what is no choice falls back (contract, `generate`)."""

    model: Choice = Choice()
    width: Choice = Choice()
    height: Choice = Choice()
    style: Choice = Choice()
    format: Choice = Choice()
    wm_position: Choice = Choice()
    seed: Choice = Choice()


class Status(_Call, frozen=True, kw_only=True, tag="status"):
    """State of a job. `prompt` and `model` are what `generate` answered; old clients send them."""

    id: Choice = Choice()
    prompt: Choice = Choice()
    model: Choice = Choice()


class Optimize(_Call, frozen=True, kw_only=True, tag="optimize"):
    """A better prompt, without a picture."""

    prompt: str | None = None
    model: Choice = Choice()
    style: Choice = Choice()


class Random(_Call, frozen=True, kw_only=True, tag="random"):
    """A prompt out of the word lists. `character` left out: any; empty: none."""

    character: Choice = Choice()


class Cancel(_Call, frozen=True, kw_only=True, tag="cancel"):
    """End a job."""

    id: Choice = Choice()


class Jobs(_Call, frozen=True, kw_only=True, tag="jobs"):
    """The tenant's latest jobs."""

    limit: float | None = None
    cursor: str | None = None
    status: Choice = Choice()


class Usage(_Call, frozen=True, kw_only=True, tag="usage"):
    """Counts, limits and what remains."""


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
        MissingAction, UnknownAction: as named.
        InvalidField: a field has a JSON type that no rule repairs.
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
    """Reads such a field; None: it was left out. Anything but text, number, bool and null comes back unread: it is no choice."""
    if not raw:
        return None
    try:
        return _scalar.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw


def request_of(call: Generate) -> GenerateRequest:
    """Returns the call with its choices read, in the core's terms."""
    return structs.replace(call, **{name: choice(getattr(call, name)) for name in _GENERATE_CHOICES})


def job_id_of(call: Status | Cancel) -> str:
    """Returns the job id that was sent; empty where it is no text."""
    sent = choice(call.id)
    return sent if isinstance(sent, str) else ""
