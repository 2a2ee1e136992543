"""Webhooks: the events that are sent, endpoints with their secrets, deliveries and their tries (Standard Webhooks)."""

import base64
import datetime as dt
import email.utils
import secrets
from collections.abc import Collection, Sequence
from enum import StrEnum

from msgspec import Struct
from pydantic import SecretStr

from imgen.domain.errors import Invalid
from imgen.domain.job import State

EVENT_OF: dict[State, str] = {
    State.COMPLETED: "job.completed",
    State.BLOCKED: "job.blocked",
    State.FAILED: "job.failed",
    State.TIMED_OUT: "job.failed",
    State.CANCELLED: "job.cancelled",
}
"""End of a job → type of its event."""
EVENTS = tuple(dict.fromkeys(EVENT_OF.values()))
TEST_EVENT = "webhook.test"
"""Type of the event that only the test button sends."""
SECRET_PREFIX, SECRET_BYTES = "whsec_", 32
OVERLAP_S = 86_400
"""Time for which a replaced secret signs beside its successor."""
MAX_RETRY_AFTER_S = 86_400
OK_STATUSES = range(200, 300)
REDIRECTS = range(300, 400)
GONE = 410
THROTTLED = frozenset({429, 502, 504})
"""Statuses of a server that gets too much (specification, "Deliverability and reliability")."""


class DeliveryState(StrEnum):
    """State of a delivery: it waits for its next try, or has ended."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up; it can be sent again."""
    CANCELLED = "cancelled"
    """Its endpoint or job was deleted."""


class Secrets(Struct, frozen=True, kw_only=True):
    """Signing secrets: the current one, and the one before it while both sign."""

    current: SecretStr
    previous: SecretStr = SecretStr("")
    previous_until: float | None = None

    def valid(self, now: float) -> tuple[SecretStr, ...]:
        """Returns those that sign at a time, the current one first."""
        is_rotating = self.previous_until is not None and now < self.previous_until
        return (self.current, self.previous) if is_rotating else (self.current,)


class Endpoint(Struct, frozen=True, kw_only=True):
    """Address that a tenant registered for its events."""

    id: str
    tenant_id: str
    url: str
    events: tuple[str, ...]
    secrets: Secrets
    enabled: bool
    reason: str = ""
    """Reason why it was switched off."""
    created_at: float
    delivered_at: float | None = None
    """Time of its latest success."""


class Delivery(Struct, frozen=True, kw_only=True):
    """Event for one address; its id is the `webhook-id` of every try."""

    id: str
    tenant_id: str
    job_id: str
    """Empty for a test."""
    event: str
    endpoint_id: str
    """Empty: the address is the job's own `webhook_url`."""
    url: str
    """The job's own address; empty: the endpoint's."""
    target: str
    """Receiver that is asked slower or not at all while it fails: the endpoint, or tenant and origin of the job's own URL."""
    state: DeliveryState
    attempts: int
    """Tries since it was made or sent again, one under way included."""
    fence: int
    """Number of all its tries; a result with an older one is dropped."""
    next_at: float
    """Time of the next try; while one is under way, the time at which it is taken for lost."""
    created_at: float
    """Time of the event."""
    ended_at: float | None = None
    status: int | None = None
    """Status of the latest answer; None: there was none."""
    reason: str = ""
    """Reason why the latest try failed, if the status does not tell."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One try of a delivery."""

    at: float
    duration_s: float
    status: int | None = None
    reason: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it."""
        return self.status in OK_STATUSES


def new_secret() -> SecretStr:
    """Makes a signing secret: `whsec_` and base64 of 32 random bytes."""
    return SecretStr(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


def new_endpoint_id() -> str:
    """Makes the id of an endpoint."""
    return "whe_" + secrets.token_hex(8)


def new_test_id() -> str:
    """Makes the id of a test's delivery."""
    return "msg_" + secrets.token_hex(16)


def delivery_id_prefix(job_id: str) -> str:
    """Returns the beginning of the ids of a job's deliveries: one id for each end and address, however often it is written."""
    return f"msg_{job_id.partition('_')[2]}_"


def check_events(events: Collection[str]) -> tuple[str, ...]:
    """Returns the events in their order.

    Raises:
        Invalid: there is none, or an unknown one.
    """
    if unknown := set(events) - set(EVENTS):
        raise Invalid(f"There is no event {min(unknown)!r}; there are {', '.join(EVENTS)}")
    if not events:
        raise Invalid(f"Choose an event: {', '.join(EVENTS)}")
    return tuple(event for event in EVENTS if event in events)


def pause_s(pauses_s: Sequence[float], attempt: int, *, jitter: float, retry_after_s: float | None) -> float | None:
    """Returns the pause after a failed try.

    Args:
        pauses_s: pauses after the first, second … try.
        attempt: number of the try, 1 is the first.
        jitter: 0–1, a tenth of the pause is spread by it.
        retry_after_s: pause that the receiver asked for; kept up to a day.

    Returns:
        None: it was the last try.
    """
    if attempt > len(pauses_s):
        return None
    spread = pauses_s[attempt - 1] * (0.95 + 0.1 * jitter)
    return max(spread, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))


def retry_after_of(value: str, *, now: float) -> float | None:
    """Parses a `Retry-After` header, seconds or a date, into seconds from now; None: there is none that can be read."""
    words = value.strip()
    if words.isascii() and words.isdecimal():
        return float(words[:9])
    try:
        at = email.utils.parsedate_to_datetime(words)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
    return max(0.0, aware.timestamp() - now)
