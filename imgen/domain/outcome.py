"""Outcome of an ended job: facts about a finished picture, the reason for withholding one, or an error.

Outcomes are stored as JSON; a new field has a default, which is read into older ones.
"""

from msgspec import Struct

from imgen.domain.errors import GenerationFailed, TimedOut, TimeLimitPassed

OUTCOME_VERSION = 4
"""Rises with each change of a stored outcome's form, `meta` included."""


class StoredImage(Struct, frozen=True, kw_only=True):
    """Finished file in the object store."""

    key: str
    filename: str
    type: str
    """`signed` or `thumbnail`."""


class DrawnElsewhere(Struct, frozen=True, kw_only=True):
    """Facts that a remote engine told about a picture that it drew."""

    engine: str
    """Key in engines.toml."""
    model: str
    """The engine's own name of its model; empty: its workflow names the files."""
    width: int
    """Width in pixels that it drew; another one than was asked for was scaled and cut from the middle."""
    height: int
    revised_prompt: str = ""
    """Prompt that it drew in place of the one it was given; empty: it tells none."""
    seed: int | None = None
    """Seed that it tells; None: it tells none, and the one it was given counts if it takes one."""
    has_credentials: bool = False
    """Whether its file carries a C2PA manifest, and is kept beside the master."""


class Meta(Struct, frozen=True, kw_only=True):
    """Facts about a finished picture (contract, `meta`), without URLs: those are signed at each poll."""

    id: str
    gen_id: str
    time: str
    """UTC, to the second, with Z."""
    prompt: str
    original_prompt: str
    positive: str
    negative: str
    """Empty, too, if it changed nothing: the model has no use for one, or not at this guidance."""
    character: str
    model: str
    style: str
    width: int
    height: int
    format: str
    quality: int
    lossless: bool
    optimized: bool
    compliance: str
    compliance_codes: tuple[str, ...]
    compliance_ruleset: str
    precompliance: str
    fingerprint: str
    """PDQ, 64 hex digits."""
    enable_invisimark: bool
    enable_c2pa: bool
    compute_pdq: bool
    wm_position: str
    wm_scale: int
    wm_transparency: int
    wm_rotation: int
    wm_padding_x: int
    wm_padding_y: int
    cs_author: str
    cs_title: str
    cs_description: str
    cs_organization: str
    cs_vendor: str
    seed: int | None
    """None: a remote engine took none, and tells none."""
    steps: int | None
    """None: a remote engine took none."""
    guidance: float | None
    """None: it changed nothing, since the model was made without one."""
    watermark_id: str
    watermark_verified: bool
    """Whether the invisible watermark was decoded from the encoded bytes."""
    sha256: str
    """Digest of the signed file, in hex."""
    manifest_id: str
    timings: dict[str, float]
    """Part of the work (queue, render, review, finish, upload) → seconds."""
    upscale: int = 1
    """Factor by which the render was enlarged; `width` and `height` are those after it."""
    upscaler: str = ""
    """Name of what enlarged it: the file of a network, or `lanczos`; empty: nothing did."""
    engine: str = ""
    """Remote engine that drew it; empty: it was drawn here."""
    drawn_width: int | None = None
    """Width that the remote engine drew; another one than was asked for was scaled and cut from the middle. None: drawn here."""
    drawn_height: int | None = None
    revised_prompt: str = ""
    """Prompt that the remote engine drew in place of `positive`; empty: it tells none."""


class Blocked(Struct, frozen=True, kw_only=True):
    """Reason for withholding a picture."""

    names: tuple[str, ...]
    categories: tuple[str, ...]
    """Rule ids."""
    floor: bool = False
    unsafe_key: str = ""
    """Object key of the picture if the ruleset releases it to its caller; empty: none."""


class Outcome(Struct, frozen=True, kw_only=True):
    """Outcome of an ended job: `meta` with `images`, `blocked` or `error`."""

    meta: Meta | None = None
    images: tuple[StoredImage, ...] = ()
    blocked: Blocked | None = None
    error: str = ""
    version: int = OUTCOME_VERSION


FAILED_OUTCOME = Outcome(error=str(GenerationFailed()))
"""Outcome of every failed job: clients get this text, the log has the reason."""
TIMED_OUT_OUTCOME = Outcome(error=str(TimedOut()))


def timed_out_outcome(error: TimedOut) -> Outcome:
    """Returns the outcome of a job that ran out of time; a tier's limit is told with its seconds."""
    return Outcome(error=str(error)) if isinstance(error, TimeLimitPassed) else TIMED_OUT_OUTCOME
