"""Requests of the Action API as Structs, one for each row of ACTIONS, by the tag `action`.

Every field is optional and stays undecoded until its handler needs it (choices.py), which then repairs or refuses the value.
"""

from typing import Annotated

import msgspec
from msgspec import Struct

from imgen.domain.ids import ID_FORM
from imgen.domain.request import FIELDS, described

Choice = msgspec.Raw
"""Field of any JSON type, undecoded: 12 MiB of `[[],[],[]…` would become 300 MB of lists. Empty: left out."""
JOBS_PAGE = 20
MAX_JOBS_PAGE = 100
_JOB_ID = described("string", "Job id from the answer to `generate`.", pattern=f"^({ID_FORM})$")
_IGNORED = described("string", "Ignored; older clients send the value from the answer to `generate`.")


class _Call(Struct, frozen=True, kw_only=True, tag_field="action"):
    pass


class Models(_Call, frozen=True, kw_only=True, tag="models"):
    """Request for models, styles and characters."""


Generate = msgspec.defstruct(
    "Generate",
    [(name, Choice, Choice()) for name in FIELDS],
    bases=(_Call,),
    module=__name__,
    frozen=True,
    kw_only=True,
    tag="generate",
)
"""Request for a picture: the fields of GenerateRequest, undecoded."""


class Upload(_Call, frozen=True, kw_only=True, tag="upload"):
    """Request to keep a picture for later requests."""

    image: Annotated[Choice, described("string", "Picture to keep for a day.")] = Choice()


class Verify(_Call, frozen=True, kw_only=True, tag="verify"):
    """Request to tell whose picture this is."""

    image: Annotated[Choice, described("string", "Picture: a data URI, or what `upload` answered.")] = Choice()
    deep: Annotated[
        Choice,
        described(
            "boolean",
            "Look for the watermark of a picture that was cut and resized as well: up to half a minute more, one at a time.",
            default=False,
        ),
    ] = Choice()


class Status(_Call, frozen=True, kw_only=True, tag="status"):
    """Request for the state of a job. `prompt` and `model` are ignored; old clients send them."""

    id: Annotated[Choice, _JOB_ID] = Choice()
    prompt: Annotated[Choice, _IGNORED] = Choice()
    model: Annotated[Choice, _IGNORED] = Choice()


class Optimize(_Call, frozen=True, kw_only=True, tag="optimize"):
    """Request for an improved prompt, without a picture. Its fields are those of `generate`."""

    prompt: Choice = Choice()
    model: Choice = Choice()
    style: Choice = Choice()


class Random(_Call, frozen=True, kw_only=True, tag="random"):
    """Request for a prompt from the word lists. `character` left out: a random one; empty: none."""

    character: Annotated[
        Choice,
        described(
            "string",
            "Character in the prompt. Empty: none. Left out or unknown: a random one, or none if the server has none.",
        ),
    ] = Choice()


class Cancel(_Call, frozen=True, kw_only=True, tag="cancel"):
    """Request to cancel a job."""

    id: Annotated[Choice, _JOB_ID] = Choice()


class Jobs(_Call, frozen=True, kw_only=True, tag="jobs"):
    """Request for the tenant's latest jobs."""

    limit: Annotated[
        Choice, described("integer", "Jobs on a page.", minimum=1, maximum=MAX_JOBS_PAGE, default=JOBS_PAGE)
    ] = Choice()
    cursor: Annotated[
        Choice,
        described(
            "string", "`cursor` of the previous page. Empty: the newest jobs. Any other value is an error.", default=""
        ),
    ] = Choice()
    status: Annotated[
        Choice, described("string", "Only jobs with this status. Left out or anything else: every status.")
    ] = Choice()


class Usage(_Call, frozen=True, kw_only=True, tag="usage"):
    """Request for counts, limits and the remainder."""
