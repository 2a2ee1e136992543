"""States of jobs in the words of the playground."""

from collections.abc import Mapping

from imgen.domain.failure import awaited_part
from imgen.domain.job import Job, State
from imgen.services.jobs import JobStatus

STATES: Mapping[State, str] = {
    State.QUEUED: "Waiting for its turn",
    State.RENDERING: "Being drawn",
    State.RENDERED: "Drawn, about to be reviewed",
    State.FINISHING: "Being reviewed, watermarked and signed",
    State.COMPLETED: "Done",
    State.BLOCKED: "Blocked by review",
    State.FAILED: "Generation failed",
    State.TIMED_OUT: "Timed out",
    State.CANCELLED: "Cancelled",
}


def state_text(job: Job, state: State, status: JobStatus | None = None) -> str:
    """Returns the state of a job in words: a part that it waits for, else the usual words for it."""
    if part := awaited_part(job):
        return f"Waiting for {part}"
    if status is not None and status.unserved_queue:
        return f"Waiting for a worker: none serves the queue {status.unserved_queue}"
    return STATES[state]
