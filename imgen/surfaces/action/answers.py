"""Answers of the actions as Structs, made from the services' results. Their schemas and docstrings are in the reference."""

import base64
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from imgen.domain import outcome as outcomes
from imgen.domain.catalog import Catalog, Model
from imgen.domain.failure import CODES
from imgen.domain.ids import is_cached
from imgen.domain.job import Job, State, state_for_owner, utc_text
from imgen.domain.outcome import Outcome
from imgen.records.uploads import Upload
from imgen.services.accounts import usage
from imgen.services.core import Core
from imgen.services.jobs import JobStatus
from imgen.services.links import picture_links, withheld_url
from imgen.services.submit import Submitted

Id = Annotated[str, Meta(description="Id for `status` and `cancel`: `run_…`, or `cache_…` for a cache hit.")]
GenId = Annotated[str, Meta(description="Picture id of 20 letters and digits; its file names begin with it.")]
Warnings = Annotated[
    tuple[str, ...], Meta(description="Fields whose values were replaced or have no effect; absent if there are none.")
]
CacheHit = Annotated[bool, Meta(description="True for a cache hit, else absent.")]
Code = Annotated[str, Meta(description="Stable word for the reason why there is no picture.")]
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
    """Style."""

    label: Annotated[str, Meta(description="Text for a user interface.")]


class ModelEntry(Struct, frozen=True, kw_only=True):
    """Model."""

    label: Annotated[str, Meta(description="Text for a user interface.")]
    default_style: str
    styles: Annotated[dict[str, Label], Meta(description="By key, in configured order.")]
    characters: (
        Annotated[tuple[str, ...], Meta(description="Characters it can draw; absent if it can draw all.")] | UnsetType
    ) = UNSET


class ModelsAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `models`."""

    characters: Annotated[tuple[str, ...], Meta(description="Names for `@name` in a prompt.")]
    models: Annotated[dict[str, ModelEntry], Meta(description="By key, in configured order; the first is the default.")]


class GenerateAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `generate`: a new job, or several of them."""

    id: Id
    prompt: Annotated[str, Meta(description="Prompt that is used: the improved one if `optimize` was true.")]
    model: str
    format: str
    gen_id: GenId
    ids: (
        Annotated[
            tuple[Id, ...],
            Meta(
                description="With `n` over 1: the ids of all jobs, in the order of their seeds; the first is `id`. Cache hits "
                "(`cache_…`) come first."
            ),
        ]
        | UnsetType
    ) = UNSET
    gen_ids: (
        Annotated[tuple[GenId, ...], Meta(description="With `n` over 1: the picture ids of `ids`.")] | UnsetType
    ) = UNSET
    cache: CacheHit | UnsetType = UNSET
    warnings: Warnings | UnsetType = UNSET


class UploadAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `upload`: a kept picture."""

    image: Annotated[str, Meta(description="Id for `image` and `mask` of `generate`: `up_…`; good for a day.")]
    width: Annotated[int, Meta(description="Pixels, after the orientation of EXIF was applied.")]
    height: int
    sha256: Annotated[str, Meta(description="Digest of the file as you sent it, 64 hex digits.")]


class OpenAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` while the job waits or runs."""

    status: OpenStatus
    position: (
        Annotated[int, Meta(description="Position among the jobs that wait for the same model; 1 is next.", ge=1)]
        | UnsetType
    ) = UNSET
    progress: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    eta: Annotated[int, Meta(description="Estimate of the remaining time in seconds.")] | UnsetType = UNSET


class Image(Struct, frozen=True, kw_only=True):
    """File of a picture."""

    url: Annotated[str, Meta(description="Pre-signed at every `status`, valid for one hour; fetch it without the key.")]
    filename: str
    type: Annotated[
        Literal["signed", "thumbnail"],
        Meta(description="`signed`: the picture with its credentials; `thumbnail`: a preview."),
    ]


class PictureMeta(outcomes.Meta, frozen=True, kw_only=True):
    """Metadata of a finished picture; fields of the request have the values that were used."""

    images: tuple[Image, ...]


class CompletedAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` for a finished picture."""

    status: Literal["COMPLETED"]
    meta: PictureMeta
    cache: CacheHit | UnsetType = UNSET


class BlockedAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` if the review withheld the picture."""

    status: Literal["COMPLETED"]
    compliance: Literal["unsafe"]
    error: Annotated[str, Meta(description="Text for users with the names of the rules.")]
    filter_categories: Annotated[tuple[str, ...], Meta(description="Ids of the rules.")]
    unsafe_url: (
        Annotated[str, Meta(description="Base64-encoded URL; only if the ruleset releases the picture to the caller.")]
        | UnsetType
    ) = UNSET


class EndedAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `status` for a job that ended without a picture."""

    status: EndedStatus
    error: Annotated[str, Meta(description="`Generation failed`, `Timed out` or `Cancelled`.")]
    code: Code


class PromptAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `optimize` and `random`."""

    prompt: str
    warnings: Warnings | UnsetType = UNSET


class CancelAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `cancel`: `CANCELLED`, or the status of a job that had already ended."""

    status: AnyStatus


class ListedJob(Struct, frozen=True, kw_only=True):
    """Job in the answer to `jobs`."""

    id: Id
    gen_id: GenId
    status: AnyStatus
    compliance: Annotated[Literal["safe", "unsafe", ""], Meta(description="Empty without a result of the review.")]
    prompt: str
    model: str
    format: str
    time: Annotated[str, Meta(description="Time of submission: UTC, to the second.")]
    ended: Annotated[str | None, Meta(description="Time of its end; null: it is open.")]
    batch: (
        Annotated[str, Meta(description="Id of its batch, that of the batch's first job; absent: `n` was 1.")]
        | UnsetType
    ) = UNSET
    code: Code | UnsetType = UNSET


class JobsAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `jobs`."""

    jobs: Annotated[list[ListedJob], Meta(description="Newest first.")]
    cursor: Annotated[str, Meta(description="Value for the next page; empty: this is the last page.")]
    warnings: Warnings | UnsetType = UNSET


class UsageAnswer(usage.Usage, frozen=True, kw_only=True):
    """Answer to `usage`. Days and months are UTC; a picture is charged when it completes."""


class Failure(Struct, frozen=True, kw_only=True):
    """Answer to a request that failed."""

    error: Annotated[str, Meta(description="Text of the error.")]


StatusAnswer = OpenAnswer | CompletedAnswer | BlockedAnswer | EndedAnswer


def models_answer(catalog: Catalog) -> ModelsAnswer:
    """Makes the answer with characters, models and styles in configured order."""
    return ModelsAnswer(
        characters=tuple(catalog.characters),
        models={key: _model_entry(catalog, model) for key, model in catalog.models.items()},
    )


def generate_answer(submitted: Submitted) -> GenerateAnswer:
    """Makes the answer for new jobs or cache hits."""
    job, jobs = submitted.job, submitted.jobs
    return GenerateAnswer(
        id=job.id,
        prompt=job.recipe.prompt_parts.prompt,
        model=job.recipe.model,
        format=job.recipe.output.format,
        gen_id=job.gen_id,
        ids=tuple(one.id for one in jobs) if len(jobs) > 1 else UNSET,
        gen_ids=tuple(one.gen_id for one in jobs) if len(jobs) > 1 else UNSET,
        cache=is_cached(job.id) or UNSET,
        warnings=submitted.warnings or UNSET,
    )


def upload_answer(upload: Upload) -> UploadAnswer:
    """Makes the answer for a kept picture."""
    return UploadAnswer(image=upload.id, width=upload.width, height=upload.height, sha256=upload.sha256)


def status_answer(core: Core, job_id: str, status: JobStatus) -> StatusAnswer:
    """Makes the answer for the state of a job, with fresh pre-signed URLs."""
    state, outcome = status.view.state, status.view.outcome
    if state in _OPEN:
        return OpenAnswer(
            status=_OPEN[state],
            position=UNSET if status.position is None else status.position,
            progress=UNSET if status.progress is None else status.progress,
            eta=UNSET if status.eta_s is None else status.eta_s,
        )
    return ended_answer(core, job_id, state, outcome or Outcome(), code=status.view.code)


def ended_answer(
    core: Core, job_id: str, state: State, outcome: Outcome, *, code: str = ""
) -> CompletedAnswer | BlockedAnswer | EndedAnswer:
    """Makes the answer for an ended job: `meta` with fresh pre-signed URLs, the rules that blocked it, or the error."""
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
    return EndedAnswer(status=_ENDED[state], error=outcome.error, code=code or CODES[state])


def listed_job(job: Job) -> ListedJob:
    """Makes the entry of a job in `jobs`."""
    return ListedJob(
        id=job.id,
        gen_id=job.gen_id,
        status=WIRE_STATUS[state_for_owner(job.state, job.fence)],
        compliance=_COMPLIANCE.get(job.state, ""),
        prompt=job.recipe.prompt_parts.prompt,
        model=job.recipe.model,
        format=job.recipe.output.format,
        time=utc_text(job.created_at),
        ended=utc_text(job.ended_at) if job.ended_at else None,
        batch=job.batch_id or UNSET,
        code=(job.error_code or CODES[job.state]) if job.state in CODES else UNSET,
    )


def _model_entry(catalog: Catalog, model: Model) -> ModelEntry:
    characters = catalog.characters_of(model)
    return ModelEntry(
        label=model.label,
        default_style=model.default_style,
        styles={key: Label(label=style.label) for key, style in model.styles.items()},
        characters=UNSET if characters == tuple(catalog.characters) else characters,
    )
