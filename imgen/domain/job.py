"""A job, the states it moves through, and what comes out of it."""

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
    """Where a job is. Two halves, each waiting and then running, and five ends."""

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
"""State → where it may go. Ends lead nowhere. Records change a job's state along these and no other way."""

ENDED = frozenset(state for state, onward in TRANSITIONS.items() if not onward)
OPEN = frozenset(TRANSITIONS) - ENDED

RUNNING_AS: dict[State, State] = {State.QUEUED: State.RENDERING, State.RENDERED: State.FINISHING}
"""Waiting state → the state a claim moves it to."""
WAITING_AS: dict[State, State] = {running: waiting for waiting, running in RUNNING_AS.items()}
"""Running state → the state it falls back to when its worker is lost."""


class StoredImage(Struct, frozen=True, kw_only=True):
    """One finished file in the object store."""

    key: str
    filename: str
    type: str
    """`signed` or `thumbnail`."""


class Meta(Struct, frozen=True, kw_only=True):
    """Everything told about a finished picture (contract, `meta`), less the addresses, which are signed at each poll."""

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
    """Whether the mark was read back from the encoded bytes."""
    sha256: str
    """Of the signed file."""
    manifest_id: str
    timings: dict[str, float]
    """Seconds by part: queue, render, review, finish, upload."""


class Blocked(Struct, frozen=True, kw_only=True):
    """Why a picture is withheld."""

    names: tuple[str, ...]
    categories: tuple[str, ...]
    """Rule ids."""
    floor: bool = False
    unsafe_key: str = ""
    """Object key of a picture the ruleset lets its caller see; empty: none."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a job ended: one of the three."""

    meta: Meta | None = None
    images: tuple[StoredImage, ...] = ()
    blocked: Blocked | None = None
    error: str = ""


FAILED_OUTCOME = Outcome(error=str(GenerationFailed()))
"""Outcome of every job that fails: clients get this text, the log has the reason."""
TIMED_OUT_OUTCOME = Outcome(error=str(TimedOut()))


class Job(Struct, frozen=True, kw_only=True):
    """One row of the truth."""

    id: str
    gen_id: str
    tenant_id: str
    key_id: str
    surface: str
    state: State
    queue: str
    """The queue whose worker has to take it next."""
    priority: int
    fence: int
    """Goes up with every claim; a commit with an old one fails."""
    attempts: int
    """Claims of the present half that have not ended well."""
    recipe: Recipe
    watermark_id: str
    master_key: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    outcome: Outcome | None = None
    created_at: float
    """All times in seconds since the epoch."""
    available_at: float
    published_at: float | None = None
    claimed_at: float | None = None
    lease_until: float | None = None
    unreviewed_since: float | None = None
    """When a reviewer first did not answer for it."""
    deadline_at: float
    ended_at: float | None = None


class View(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a poll needs of a job; lives in Redis for a short time and can be made again from the row."""

    tenant_id: str
    state: State
    model: str
    outcome: Outcome | None = None


def view_of(job: Job) -> View:
    """The poll view of a row."""
    return View(tenant_id=job.tenant_id, state=job.state, model=job.recipe.model, outcome=job.outcome)


ID_FORM = r"run_[A-Za-z0-9_-]{22,64}|cache_[0-9a-f]{32}"
"""The whole of a job id, as a regular expression."""
_ID = re.compile(ID_FORM)
_GEN_ID_LETTERS = string.ascii_lowercase + string.digits


def is_job_id(text: str) -> bool:
    """Whether the text has the form of a job id (contract: `run_…` or `cache_…`)."""
    return _ID.fullmatch(text) is not None


def is_cached(job_id: str) -> bool:
    """Whether the id is that of a cache hit."""
    return job_id.startswith(CACHED)


def new_cached_id() -> str:
    """`cache_` and 32 hex digits."""
    return CACHED + secrets.token_hex(16)


def new_job_id() -> str:
    """`run_` and 22 URL-safe characters: 128 random bits."""
    return "run_" + secrets.token_urlsafe(16)


def new_gen_id() -> str:
    """20 of a–z0–9: what names a picture to people and in file names."""
    return "".join(secrets.choice(_GEN_ID_LETTERS) for _ in range(20))


def new_watermark_id() -> str:
    """48 random bits as 12 hex digits: what the invisible mark carries."""
    return secrets.token_hex(6)


def render_queue(model_key: str) -> str:
    """Name of the queue that a model's render workers consume."""
    return f"{RENDER_TASK}.{model_key}"


def utc_text(at: float) -> str:
    """Seconds since the epoch as ISO 8601, UTC, to the second: `2026-11-21T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
