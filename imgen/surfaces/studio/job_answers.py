"""Answers that tell the state of a job, with a fresh URL of its picture."""

from msgspec import UNSET, structs

from imgen.domain.failure import CODES
from imgen.domain.ids import uuid_form
from imgen.domain.job import Job, State, View, view_of
from imgen.domain.outcome import Outcome
from imgen.services.core import Core
from imgen.services.links import picture_url
from imgen.surfaces.studio.answers import JobStatusWord, StudioEnded, StudioJob, StudioJobError, StudioQuota

JOBS = "/api/v1/jobs/"
URL_EXPIRES_S = 15 * 60
BLOCKED = "moderation_blocked"
STATUSES: dict[State, JobStatusWord] = {
    State.QUEUED: "queued",
    State.RENDERING: "processing",
    State.RENDERED: "processing",
    State.FINISHING: "processing",
    State.COMPLETED: "succeeded",
    State.BLOCKED: "failed",
    State.FAILED: "failed",
    State.TIMED_OUT: "failed",
    State.CANCELLED: "canceled",
}


def of_view(
    core: Core,
    job_id: str,
    view: View,
    *,
    request_id: str,
    progress: float | None = None,
    quota: StudioQuota | None = None,
) -> StudioJob:
    """Makes the answer for the state of a job.

    Args:
        core: the core.
        job_id: id as it is stored.
        view: the state.
        request_id: id of the request that made it; empty: it came over another surface.
        progress: 0–1, of an open job; None: it is not known.
        quota: None: it is not told.
    """
    status, outcome = STATUSES[view.state], view.outcome or Outcome()
    is_open = status in {"queued", "processing"}
    meta, url = outcome.meta, picture_url(core, outcome, expires_s=URL_EXPIRES_S)
    return StudioJob(
        job_id=uuid_form(job_id),
        status=status,
        request_id=request_id or None,
        progress=progress if is_open and progress is not None else UNSET,
        quota=quota or UNSET,
        error=_error(view, outcome) if status == "failed" else UNSET,
        download_url=url or UNSET,
        width=UNSET if meta is None else meta.width,
        height=UNSET if meta is None else meta.height,
        content_type=UNSET if meta is None else f"image/{meta.format}",
        engine=UNSET if meta is None else meta.engine or UNSET,
        revised_prompt=UNSET if meta is None else meta.revised_prompt or UNSET,
    )


def told_answer(core: Core, job: Job) -> StudioEnded:
    """Makes the data of a webhook: the answer to a poll with the job's id."""
    answer = of_view(core, job.id, view_of(job), request_id=job.request_id)
    return StudioEnded(id=answer.job_id, **structs.asdict(answer))


def _error(view: View, outcome: Outcome) -> StudioJobError:
    if outcome.blocked is not None:
        names = ", ".join(outcome.blocked.names)
        return StudioJobError(code=BLOCKED, message=f"Content blocked — flagged for: {names}")
    return StudioJobError(code=view.code or CODES[view.state], message=outcome.error)
