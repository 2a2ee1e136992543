"""Failure of a job: a stable code for its caller, and the reason for people. Neither holds a secret."""

import re

from msgspec import Struct

from imgen.domain.errors import ImgenError
from imgen.domain.job import RUNNING_AS, Job, State

REASON_CHARS = 300
HIDDEN = "…"
_SECRETS = re.compile(
    r"(?<=://)[^/@\s]+(?=@)"  # user and password of a URL
    r"|(?<=[?&])[^=&\s]+=[^&\s]+"  # queries: a pre-signed URL is a key to its file
    r"|\b(?:imgen_|imgf_|sk-|whsec_)[\w*.-]{6,}"
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.+/=-]{8,}"
)
"""Parts of messages of other servers and libraries that may open something."""

CODES: dict[State, str] = {
    State.FAILED: "generation_failed",
    State.TIMED_OUT: "timed_out",
    State.CANCELLED: "cancelled",
}
"""Code of an end without a picture that has no reason of its own."""

PARTS: dict[str, str] = {
    "object_store_unavailable": "the object store",
    "timestamp_unavailable": "the time-stamp authority",
    "signing_key_unavailable": "the signing key",
    "database_unavailable": "the database",
    "reviewer_unavailable": "a reviewer",
    "out_of_memory": "memory",
    "device_lost": "a device",
    "remote_engine_away": "a remote engine",
    "remote_key_refused": "the key of a remote engine",
    "spending_cap_reached": "the next month of a remote engine's spending cap",
    "no_time_left": "a worker's time",
    "worker_ends": "the next worker",
    "unavailable": "Redis",
}
"""Code of an outage → the part that a job waits for."""


class Failure(Struct, frozen=True, kw_only=True):
    """Reason why an attempt at a job came to nothing."""

    code: str
    """Stable word, of the error tree (errors/)."""
    reason: str
    """Sentence for people, in the panel and the log."""
    retry_after_s: int = 0
    """Pause that the part asked for; 0: it asked for none."""


def failure_of(error: ImgenError) -> Failure:
    """Returns an error's code, and its text without what looks like a secret."""
    text = " ".join(_SECRETS.sub(HIDDEN, str(error)).split())
    reason = text if len(text) <= REASON_CHARS else text[: REASON_CHARS - 1] + HIDDEN
    return Failure(code=error.code, reason=reason, retry_after_s=error.retry_after_s or 0)


def awaited_part(job: Job) -> str:
    """Returns the part that a job waits for, such as `the object store`; empty: it waits for none."""
    if job.waiting_since is None or job.state not in RUNNING_AS:
        return ""
    return PARTS.get(job.error_code, "a part that does not answer")
