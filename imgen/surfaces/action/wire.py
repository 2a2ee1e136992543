"""Requests of the Action API as Structs, one for each row of ACTIONS, by the tag `action`.

Each field is optional. `T | None`: a value of another JSON type is an error, `Invalid <field>`. Choice: any JSON type is taken,
and the handler replaces or refuses the value.
"""

import msgspec
from msgspec import Struct

from imgen.domain.request import GenerateRequest

Choice = msgspec.Raw
"""Field of any JSON type, undecoded: 12 MiB of `[[],[],[]…` would become 300 MB of lists. Empty: left out. See choices.py."""


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
    wm_image: str | None = None  # type: ignore[assignment]  # a data URI here; see choices.py
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
