"""Job: its states, the transitions between them, its row and its poll view."""

import time
from enum import StrEnum

from msgspec import UNSET, Struct, field

from imgen.domain.account import quota_owner
from imgen.domain.errors import DeadlinePassed, TimedOut, TimeLimitPassed
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import Recipe

RENDER_TASK = "render"
FINISH_TASK = "finish"
FINISH_QUEUE = "finish"
TASK_LIMIT_S = 570
"""Hard limit of a task: Celery kills the process then, which counts as a crash."""
CLOCK_STEP_S = 0.01
"""Difference of two times that are the same: a database's clock may have milliseconds."""
TASK_MARGIN_S = 30
"""Part of it for all that is neither loading nor rendering."""


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
    State.FINISHING: frozenset({State.COMPLETED, State.RENDERED, State.QUEUED, State.BLOCKED}) | _GIVEN_UP,
    State.COMPLETED: frozenset(),
    State.BLOCKED: frozenset(),
    State.FAILED: frozenset(),
    State.TIMED_OUT: frozenset(),
    State.CANCELLED: frozenset(),
}
"""State → states that may follow it; none follows an end. Records change a job's state only along these. A job goes from
finishing back to the queue if its master is lost."""

ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)
OPEN = frozenset(TRANSITIONS) - ENDED

RUNNING_AS: dict[State, State] = {State.QUEUED: State.RENDERING, State.RENDERED: State.FINISHING}
"""Waiting state → running state that a claim moves it to."""
WAITING_AS: dict[State, State] = {running: waiting for waiting, running in RUNNING_AS.items()}
"""Running state → waiting state that it returns to when its worker is lost."""


class Job(Struct, frozen=True, kw_only=True):
    """Job as the system of record has it."""

    id: str
    gen_id: str
    tenant_id: str
    counted_as: str
    """Owner of its counts beside the tenant: that of the principal who asked for it."""
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
    deadline_at: float
    ended_at: float | None = None
    error_code: str = ""
    """Code of its failure, or of the latest attempt's (see failure.py); empty: none."""
    error_reason: str = ""
    waiting_since: float | None = None
    """Time of the first attempt that the outage named by `error_code` stopped; None: it waits for no outage. `available_at` is
    the time of the next attempt."""
    masters_lost: int = 0
    """Number of times it went back to be rendered because its master was gone."""
    batch_id: str | None = None
    """Id of the batch of jobs that one request made: that of its first job; None: the request made this one alone."""
    batch_index: int = 0
    """Place in the batch, 0 is the first."""
    webhook_url: str = ""
    """Address that its end is sent to, beside the tenant's endpoints; empty: none."""
    first_step_at: float | None = None
    """Time at which its tier's time limit began, with the first step of its first render; None: not yet, or it has none."""
    request_id: str = ""
    """Id of the request that made it, on surfaces that tell it with the job; empty: another one made it."""

    @property
    def quota_owner(self) -> str:
        """Owner of the sums that the plan limits."""
        return quota_owner(self.tenant_id, self.counted_as)


class View(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Poll view: the part of a job that a poll needs; kept in Redis for a short time, made again from the row."""

    tenant_id: str
    state: State
    model: str
    outcome: Outcome | None = None
    rank: int = 0
    """Place among the views of the job; see `rank_of`."""
    code: str = ""
    """Code of the failure of an ended job."""
    ended_at: float | None = None

    @property
    def fence(self) -> int:
        """Fence of the job's latest claim."""
        return self.rank // 2


def deadline_error(job: Job) -> TimedOut:
    """Returns the error of a job past its deadline: that of its tier's time limit, or of any job's lifetime."""
    limit_s, began_at = job.recipe.time_limit_s, job.first_step_at
    if limit_s is UNSET or began_at is None or job.deadline_at < began_at + limit_s - CLOCK_STEP_S:
        return DeadlinePassed()
    return TimeLimitPassed(limit_s)


def view_of(job: Job) -> View:
    """Makes the poll view of a job."""
    return View(
        tenant_id=job.tenant_id,
        state=state_for_owner(job.state, job.fence),
        model=job.recipe.model,
        outcome=job.outcome,
        rank=rank_of(job.state, job.fence),
        code=job.error_code if job.state in ENDED else "",
        ended_at=job.ended_at,
    )


def rank_of(state: State, fence: int) -> int:
    """Returns a number that rises with every transition of an open job: its claim raises the fence, and then it waits again."""
    return 2 * fence + (state in RUNNING_AS)


def state_for_owner(state: State, fence: int) -> State:
    """Returns the state that the job's owner gets: a job that waits for another attempt is still under way."""
    return State.RENDERING if state is State.QUEUED and fence > 0 else state


def render_queue(model_key: str) -> str:
    """Returns the name of the queue that a model's render workers consume."""
    return f"{RENDER_TASK}.{model_key}"


def utc_text(at: float) -> str:
    """Formats seconds since the epoch as ISO 8601, UTC, to the second: `2026-11-21T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
