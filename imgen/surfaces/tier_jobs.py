"""State of a job as surfaces with tiers tell it: made of its view, which a poll reads from Redis, and of facts that stay."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct

from imgen.domain.ids import uuid_form
from imgen.domain.job import ENDED, Job, State, View, view_of
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import ENHANCEMENT_FAILED, NEGATIVE_IGNORED
from imgen.services.job_facts import JobFacts, facts_of
from imgen.services.jobs import JobStatus
from imgen.surfaces.times import utc_text_ms

_NOTES = {
    ENHANCEMENT_FAILED: "The prompt could not be improved; it is drawn as it was sent.",
    NEGATIVE_IGNORED: "The negative prompt is ignored: the model does not use it.",
}
ASSETS = "/v2/assets/"
JobState = Literal["queued", "processing", "completed", "failed"]
_STATES: dict[State, JobState] = {
    State.QUEUED: "queued",
    State.RENDERING: "processing",
    State.RENDERED: "processing",
    State.FINISHING: "processing",
    State.COMPLETED: "completed",
    State.BLOCKED: "failed",
    State.FAILED: "failed",
    State.TIMED_OUT: "failed",
    State.CANCELLED: "failed",
}


class TierJob(Struct, frozen=True, kw_only=True):
    """State of a job."""

    job_id: Annotated[str, Meta(description="UUID of the job.")]
    state: Annotated[JobState, Meta(description="`completed` and `failed` are final.")]
    original_prompt: Annotated[str, Meta(description="Prompt as it was sent.")]
    final_prompt: Annotated[
        str, Meta(description="Prompt that is drawn; once drawn, the engine's own if it revised it.")
    ]
    enhancement_logic: Annotated[
        str | None,
        Meta(description="What was done to the prompt, and what of the request has no effect; null: nothing."),
    ]
    quality_tier: Annotated[str | None, Meta(description="Tier that was asked for; null: a job of another surface.")]
    model: Annotated[str, Meta(description="Model that draws the picture.")]
    seed: Annotated[int | None, Meta(description="Seed of the picture; null: the engine does not tell it.")]
    asset_url: Annotated[
        str | None, Meta(description="Path of the finished picture, under this server; null until then.")
    ]
    error: Annotated[str | None, Meta(description="Reason of a failure; else null.")]
    created_at: Annotated[str, Meta(description="UTC, with milliseconds.")]
    completed_at: Annotated[
        str | None, Meta(description="Time of the job's end, UTC, with milliseconds; null until then.")
    ]


def of_status(job_id: str, status: JobStatus, facts: JobFacts) -> TierJob:
    """Makes the answer to a poll."""
    is_loading = status.view.state is State.RENDERING and status.progress == 0
    return _answer(job_id, status.view, facts, "queued" if is_loading else _STATES[status.view.state])


def of_job(job: Job) -> TierJob:
    """Makes the entry of a job in a list, or the answer to its cancelling."""
    view = view_of(job)
    has_limit, is_first = job.recipe.time_limit_s is not UNSET, job.fence <= 1
    is_loading = view.state is State.RENDERING and is_first and has_limit and job.first_step_at is None
    return _answer(job.id, view, facts_of(job), "queued" if is_loading else _STATES[view.state])


def _answer(job_id: str, view: View, facts: JobFacts, state: JobState) -> TierJob:
    outcome = view.outcome or Outcome()
    meta = outcome.meta
    revised = "" if meta is None else meta.revised_prompt
    has_asset = meta is not None and any(image.type == "signed" for image in outcome.images)
    return TierJob(
        job_id=uuid_form(job_id),
        state=state,
        original_prompt=facts.original_prompt,
        final_prompt=revised or facts.final_prompt,
        enhancement_logic=_enhancement(facts, is_revised=bool(revised)),
        quality_tier=facts.tier or None,
        model=facts.model,
        seed=facts.seed if meta is None else meta.seed,
        asset_url=ASSETS + meta.sha256 if meta is not None and has_asset else None,
        error=_error(outcome) if state == "failed" else None,
        created_at=utc_text_ms(facts.created_at),
        completed_at=utc_text_ms(view.ended_at) if view.state in ENDED and view.ended_at else None,
    )


def _enhancement(facts: JobFacts, *, is_revised: bool) -> str | None:
    """Returns what was done to the prompt, in sentences; None: nothing."""
    told = ["The prompt was improved."] if facts.optimized else []
    revised = ["The engine drew a prompt of its own in its place."] if is_revised else []
    return " ".join([*told, *(text for note, text in _NOTES.items() if note in facts.notes), *revised]) or None


def _error(outcome: Outcome) -> str:
    """Returns the reason of a failure, in words for the caller."""
    if outcome.blocked is not None:
        return f"Content blocked — flagged for: {', '.join(outcome.blocked.names)}"
    return outcome.error
