"""Answers of the actions as Structs, and how they are made of the services' results. Their schemas are the reference's."""

import base64
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from imgen.domain import job
from imgen.domain.catalog import Catalog, Model
from imgen.domain.job import Job, Outcome, State, is_cached, utc_text
from imgen.services.accounts import usage
from imgen.services.core import Core
from imgen.services.jobs import JobStatus
from imgen.services.links import picture_links, withheld_url
from imgen.services.submit import Submitted

Id = Annotated[str, Meta(description="What to poll with: `run_…`, or `cache_…` for a cache hit.")]
GenId = Annotated[str, Meta(description="20 letters and digits that name the picture: its files begin with it.")]
Warnings = Annotated[tuple[str, ...], Meta(description="Fields whose values were replaced. There only if some were.")]
CacheHit = Annotated[bool, Meta(description="There, and true, only at a cache hit.")]
OpenStatus = Literal["IN_QUEUE", "IN_PROGRESS"]
EndedStatus = Literal["FAILED", "TIMED_OUT", "CANCELLED"]
AnyStatus = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"]

_OPEN: dict[State, OpenStatus] = {
    State.QUEUED: "IN_QUEUE",
    State.RENDERING: "IN_PROGRESS",
    State.RENDERED: "IN_PROGRESS",
    State.FINISHING: "IN_PROGRESS",
}
_ENDED: dict[State, EndedStatus] = {
    State.FAILED: "FAILED",
    State.TIMED_OUT: "TIMED_OUT",
    State.CANCELLED: "CANCELLED",
}
WIRE_STATUS: dict[State, AnyStatus] = {**_OPEN, State.COMPLETED: "COMPLETED", State.BLOCKED: "COMPLETED", **_ENDED}
_COMPLIANCE: dict[State, Literal["safe", "unsafe"]] = {State.COMPLETED: "safe", State.BLOCKED: "unsafe"}


class Label(Struct, frozen=True, kw_only=True):
    """A style."""

    label: Annotated[str, Meta(description="For people.")]


class ModelEntry(Struct, frozen=True, kw_only=True):
    """A model."""

    label: Annotated[str, Meta(description="For people.")]
    default_style: str
    styles: Annotated[dict[str, Label], Meta(description="By key, in configured order.")]
    characters: (
        Annotated[tuple[str, ...], Meta(description="The characters it can draw. There only if it cannot draw all.")]
        | UnsetType
    ) = UNSET


class ModelsAnswer(Struct, frozen=True, kw_only=True):
    """To `models`."""

    characters: Annotated[tuple[str, ...], Meta(description="Names to put behind `@` in a prompt.")]
    models: Annotated[dict[str, ModelEntry], Meta(description="By key, in configured order; the first is the default.")]


class GenerateAnswer(Struct, frozen=True, kw_only=True):
    """To `generate`: a job has begun."""

    id: Id
    prompt: Annotated[str, Meta(description="As it will be used: the improved one, if `optimize` was set.")]
    model: str
    format: str
    gen_id: GenId
    cache: CacheHit | UnsetType = UNSET
    warnings: Warnings | UnsetType = UNSET


class OpenAnswer(Struct, frozen=True, kw_only=True):
    """To `status` while the job waits or runs."""

    status: OpenStatus
    position: Annotated[int, Meta(description="Place among all waiting jobs; 1 is next.", ge=1)] | UnsetType = UNSET
    progress: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    eta: Annotated[int, Meta(description="An estimate in seconds.")] | UnsetType = UNSET


class Image(Struct, frozen=True, kw_only=True):
    """A file."""

    url: Annotated[str, Meta(description="Signed anew at every `status`, good for one hour; fetch it without the key.")]
    filename: str
    type: Annotated[
        Literal["signed", "thumbnail"],
        Meta(description="`signed`: the picture with its credentials; `thumbnail`: a preview."),
    ]


class PictureMeta(job.Meta, frozen=True, kw_only=True):
    """Everything about a finished picture; fields of the request are as they were used."""

    images: tuple[Image, ...]


class CompletedAnswer(Struct, frozen=True, kw_only=True):
    """To `status` when the picture is there."""

    status: Literal["COMPLETED"]
    meta: PictureMeta
    cache: CacheHit | UnsetType = UNSET


class BlockedAnswer(Struct, frozen=True, kw_only=True):
    """To `status` when the review withheld the picture."""

    status: Literal["COMPLETED"]
    compliance: Literal["unsafe"]
    error: Annotated[str, Meta(description="A sentence for people, with the names of the rules.")]
    filter_categories: Annotated[tuple[str, ...], Meta(description="Ids of the rules.")]
    unsafe_url: (
        Annotated[str, Meta(description="Address in base64; only where the ruleset lets the caller see the picture.")]
        | UnsetType
    ) = UNSET


class EndedAnswer(Struct, frozen=True, kw_only=True):
    """To `status` when the job has ended without a picture."""

    status: EndedStatus
    error: Annotated[str, Meta(description="`Generation failed`, `Timed out` or `Cancelled`.")]


class PromptAnswer(Struct, frozen=True, kw_only=True):
    """To `optimize` and `random`."""

    prompt: str


class CancelAnswer(Struct, frozen=True, kw_only=True):
    """To `cancel`: `CANCELLED`, or how a job that had ended before stands."""

    status: AnyStatus


class ListedJob(Struct, frozen=True, kw_only=True):
    """A line of `jobs`."""

    id: Id
    gen_id: GenId
    status: AnyStatus
    compliance: Annotated[Literal["safe", "unsafe", ""], Meta(description="Empty where there is nothing to tell.")]
    prompt: str
    model: str
    format: str
    time: Annotated[str, Meta(description="When it was asked for: UTC, to the second.")]
    ended: Annotated[str | None, Meta(description="When it ended.")]


class JobsAnswer(Struct, frozen=True, kw_only=True):
    """To `jobs`."""

    jobs: Annotated[list[ListedJob], Meta(description="Newest first.")]
    cursor: Annotated[str, Meta(description="Of the next page; empty: this was the last.")]
    warnings: Warnings | UnsetType = UNSET


class UsageAnswer(usage.Usage, frozen=True, kw_only=True):
    """To `usage`. Days and months are UTC; a picture counts when it completes."""


class Failure(Struct, frozen=True, kw_only=True):
    """To whatever did not succeed."""

    error: Annotated[str, Meta(description="One sentence.")]


StatusAnswer = OpenAnswer | CompletedAnswer | BlockedAnswer | EndedAnswer


def models_answer(catalog: Catalog) -> ModelsAnswer:
    """Lists characters, models and styles in configured order."""
    return ModelsAnswer(
        characters=tuple(catalog.characters),
        models={key: _model_entry(catalog, model) for key, model in catalog.models.items()},
    )


def generate_answer(submitted: Submitted) -> GenerateAnswer:
    """Answers a new job, or a cache hit."""
    job = submitted.job
    return GenerateAnswer(
        id=job.id,
        prompt=job.recipe.prompt_parts.prompt,
        model=job.recipe.model,
        format=job.recipe.output.format,
        gen_id=job.gen_id,
        cache=is_cached(job.id) or UNSET,
        warnings=submitted.warnings or UNSET,
    )


def status_answer(core: Core, job_id: str, status: JobStatus) -> StatusAnswer:
    """Answers the state of a job, with the URLs of its files signed now."""
    state, outcome = status.view.state, status.view.outcome
    if state in _OPEN:
        return OpenAnswer(
            status=_OPEN[state],
            position=UNSET if status.position is None else status.position,
            progress=UNSET if status.progress is None else status.progress,
            eta=UNSET if status.eta_s is None else status.eta_s,
        )
    return ended_answer(core, job_id, state, outcome or Outcome())


def ended_answer(
    core: Core, job_id: str, state: State, outcome: Outcome
) -> CompletedAnswer | BlockedAnswer | EndedAnswer:
    """Answers `meta` of a finished picture, why it is blocked, or the error."""
    if outcome.meta is not None:
        images = tuple(Image(**structs.asdict(link)) for link in picture_links(core, outcome))
        meta = PictureMeta(**structs.asdict(outcome.meta), images=images)
        return CompletedAnswer(status="COMPLETED", meta=meta, cache=is_cached(job_id) or UNSET)
    if (blocked := outcome.blocked) is not None:
        url = withheld_url(core, outcome)
        return BlockedAnswer(
            status="COMPLETED",
            compliance="unsafe",
            error=f"Content blocked — flagged for: {', '.join(blocked.names)}",
            filter_categories=blocked.categories,
            unsafe_url=base64.b64encode(url.encode()).decode() if url else UNSET,
        )
    return EndedAnswer(status=_ENDED[state], error=outcome.error)


def listed_job(job: Job) -> ListedJob:
    """Returns one line of `jobs`."""
    return ListedJob(
        id=job.id,
        gen_id=job.gen_id,
        status=WIRE_STATUS[job.state],
        compliance=_COMPLIANCE.get(job.state, ""),
        prompt=job.recipe.prompt_parts.prompt,
        model=job.recipe.model,
        format=job.recipe.output.format,
        time=utc_text(job.created_at),
        ended=utc_text(job.ended_at) if job.ended_at else None,
    )


def _model_entry(catalog: Catalog, model: Model) -> ModelEntry:
    characters = catalog.characters_of(model)
    return ModelEntry(
        label=model.label,
        default_style=model.default_style,
        styles={key: Label(label=style.label) for key, style in model.styles.items()},
        characters=UNSET if characters == tuple(catalog.characters) else characters,
    )
