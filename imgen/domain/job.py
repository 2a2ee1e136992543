"""Job, its states and transitions, its outcome, and the forms of ids."""

import re
import secrets
import string
import time
from enum import StrEnum

from msgspec import Struct, field

from imgen.domain.errors import GenerationFailed, TimedOut
from imgen.domain.recipe import Recipe

CACHED = "cache_"
RENDER_TASK = "render"
FINISH_TASK = "finish"
FINISH_QUEUE = "finish"


class State(StrEnum):
    """State of a job: two phases (render, finish), each waiting and then running, and five ends."""

    QUEUED = "queued"
    RENDERING = "rendering"
    RENDERED = "rendered"
    FINISHING = "finishing"
    COMPLETED = "completed"
    BLOCKED = "blocked"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


_GIVEN_UP = frozenset({State.FAILED, State.TIMED_OUT, State.CANCELLED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RENDERING}) | _GIVEN_UP,
    State.RENDERING: frozenset({State.RENDERED, State.QUEUED, State.BLOCKED}) | _GIVEN_UP,
    State.RENDERED: frozenset({State.FINISHING}) | _GIVEN_UP,
    State.FINISHING: frozenset({State.COMPLETED, State.RENDERED, State.BLOCKED}) | _GIVEN_UP,
    State.COMPLETED: frozenset(),
    State.BLOCKED: frozenset(),
    State.FAILED: frozenset(),
    State.TIMED_OUT: frozenset(),
    State.CANCELLED: frozenset(),
}
"""State → states that may follow it; none follows an end. Records change a job's state only along these."""

ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)
OPEN = frozenset(TRANSITIONS) - ENDED

RUNNING_AS: dict[State, State] = {State.QUEUED: State.RENDERING, State.RENDERED: State.FINISHING}
"""Waiting state → running state that a claim moves it to."""
WAITING_AS: dict[State, State] = {running: waiting for waiting, running in RUNNING_AS.items()}
"""Running state → waiting state that it returns to when its worker is lost."""


class StoredImage(Struct, frozen=True, kw_only=True):
    """Finished file in the object store."""

    key: str
    filename: str
    type: str
    """`signed` or `thumbnail`."""


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
    seed: int
    steps: int
    guidance: float
    watermark_id: str
    watermark_verified: bool
    """Whether the invisible watermark was decoded from the encoded bytes."""
    sha256: str
    """Digest of the signed file, in hex."""
    manifest_id: str
    timings: dict[str, float]
    """Part of the work (queue, render, review, finish, upload) → seconds."""


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


FAILED_OUTCOME = Outcome(error=str(GenerationFailed()))
"""Outcome of every failed job: clients get this text, the log has the reason."""
TIMED_OUT_OUTCOME = Outcome(error=str(TimedOut()))


class Job(Struct, frozen=True, kw_only=True):
    """Job as the system of record has it."""

    id: str
    gen_id: str
    tenant_id: str
    key_id: str
    surface: str
    state: State
    queue: str
    """Queue of the workers that run its next phase."""
    priority: int
    fence: int
    """Fencing token: rises with every claim, and a commit with an older one fails."""
    attempts: int
    """Number of claims of the present phase that have not succeeded."""
    recipe: Recipe
    watermark_id: str
    master_key: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    outcome: Outcome | None = None
    created_at: float
    """Seconds since the epoch, as all times here."""
    available_at: float
    published_at: float | None = None
    claimed_at: float | None = None
    lease_until: float | None = None
    unreviewed_since: float | None = None
    """Time of the first review that a reviewer did not answer."""
    deadline_at: float
    ended_at: float | None = None


class View(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Poll view: the part of a job that a poll needs; kept in Redis for a short time, made again from the row."""

    tenant_id: str
    state: State
    model: str
    outcome: Outcome | None = None


def view_of(job: Job) -> View:
    """Makes the poll view of a job."""
    return View(tenant_id=job.tenant_id, state=job.state, model=job.recipe.model, outcome=job.outcome)


ID_FORM = r"run_[A-Za-z0-9_-]{22,64}|cache_[0-9a-f]{32}"
"""Regular expression of a whole job id."""
_ID = re.compile(ID_FORM)
_GEN_ID_LETTERS = string.ascii_lowercase + string.digits


def is_job_id(text: str) -> bool:
    """Returns whether a text has the form of a job id (contract: `run_…` or `cache_…`)."""
    return _ID.fullmatch(text) is not None


def is_cached(job_id: str) -> bool:
    """Returns whether a job id is that of a cache hit."""
    return job_id.startswith(CACHED)


def new_cached_id() -> str:
    """Makes the id of a cache hit: `cache_` and 32 hex digits."""
    return CACHED + secrets.token_hex(16)


def new_job_id() -> str:
    """Makes a job id: `run_` and 22 URL-safe characters, 128 random bits."""
    return "run_" + secrets.token_urlsafe(16)


def new_gen_id() -> str:
    """Makes a picture's id for people and file names: 20 of a–z0–9."""
    return "".join(secrets.choice(_GEN_ID_LETTERS) for _ in range(20))


def new_watermark_id() -> str:
    """Makes the payload of the invisible watermark: 48 random bits as 12 hex digits."""
    return secrets.token_hex(6)


def render_queue(model_key: str) -> str:
    """Returns the name of the queue that a model's render workers consume."""
    return f"{RENDER_TASK}.{model_key}"


def utc_text(at: float) -> str:
    """Formats seconds since the epoch as ISO 8601, UTC, to the second: `2026-11-21T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
