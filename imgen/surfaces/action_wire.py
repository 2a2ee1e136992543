"""The Action API's requests as one tagged union of Structs, and the decoder that names what is wrong with a body."""

import re
from typing import Any

import msgspec
from msgspec import Struct, field

from imgen.domain.errors import ImgenError, InvalidField, InvalidJson, MissingAction, UnknownAction
from imgen.domain.request import GenerateRequest

Choice = msgspec.Raw
"""A field that takes anything, kept as it came until `choice` reads it: 12 MiB of `[[],[],[]…` would become 300 MB of
lists that nobody looks at. Empty: left out."""


class _Call(Struct, frozen=True, kw_only=True, tag_field="action"):
    pass


class Models(_Call, frozen=True, kw_only=True, tag="models"):
    """What can be asked for."""


class Generate(_Call, frozen=True, kw_only=True, tag="generate"):
    """Make a picture. Choice fields take anything: what is no choice falls back (contract, `generate`)."""

    prompt: str | None = None
    model: Choice = Choice()
    negative: str | None = None
    optimize: bool | None = None
    use_cache: bool | None = None
    cache_only: bool | None = None
    cache_force: bool | None = None
    cache_pick: float | None = None
    width: Choice = Choice()
    height: Choice = Choice()
    style: Choice = Choice()
    format: Choice = Choice()
    quality: float | None = None
    lossless: bool | None = None
    compliance_ruleset: str | None = None
    precompliance: str | None = None
    wm_image: str | None = None
    wm_position: Choice = Choice()
    wm_scale: float | None = None
    wm_transparency: float | None = None
    wm_rotation: float | None = None
    wm_padding_x: float | None = None
    wm_padding_y: float | None = None
    cs_author: str | None = None
    cs_title: str | None = None
    cs_description: str | None = None
    cs_organization: str | None = None
    cs_vendor: str | None = None
    seed: Choice = Choice()
    steps: float | None = None
    guidance: float | None = None
    lora_scale: float | None = None


class Status(_Call, frozen=True, kw_only=True, tag="status"):
    """How a job stands. `prompt` and `model` are what `generate` answered; old clients send them."""

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
    """A request.

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
    """Why a body that is no valid call is none: JSON first, then the action, then its fields."""
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


_scalar = msgspec.json.Decoder(str | int | float | bool | None)


def choice(raw: Choice) -> object:
    """What such a field holds; None: nothing. What is no text, number, bool or null comes back unread: it is no choice."""
    if not raw:
        return None
    try:
        return _scalar.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw


def ask_of(call: Generate) -> GenerateRequest:
    """The call without its tag, in the core's terms."""
    values: dict[str, Any] = {name: getattr(call, name) for name in call.__struct_fields__}
    values |= {name: choice(value) for name, value in values.items() if isinstance(value, Choice)}
    return GenerateRequest(**values)
