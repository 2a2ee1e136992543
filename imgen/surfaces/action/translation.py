"""Translation of the services' results into answers of the actions."""

import base64
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import UNSET, structs

from imgen.domain.catalog import SIZES, Catalog, Model
from imgen.domain.failure import CODES
from imgen.domain.ids import is_cached, written_id
from imgen.domain.job import Job, State, state_for_owner, utc_text
from imgen.domain.outcome import Outcome
from imgen.records.picture_records import PictureRecord
from imgen.records.uploads import Upload
from imgen.services.core import Core
from imgen.services.jobs import JobStatus
from imgen.services.links import picture_links, withheld_url
from imgen.services.recognition.recognize import Recognized
from imgen.services.submit import Submitted
from imgen.surfaces.action.answers import (
    AnyStatus,
    BlockedAnswer,
    BlockedData,
    CompletedAnswer,
    CompletedData,
    EndedAnswer,
    EndedData,
    EndedStatus,
    FoundCredentials,
    FoundFingerprint,
    FoundJob,
    FoundWatermark,
    GenerateAnswer,
    Image,
    KnownPictureAnswer,
    Label,
    ListedJob,
    ModelEntry,
    ModelsAnswer,
    OpenAnswer,
    OpenStatus,
    PictureMeta,
    StatusAnswer,
    UnknownPictureAnswer,
    UploadAnswer,
    VerifyAnswer,
)

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


def models_answer(catalog: Catalog, troubles: Mapping[str, str]) -> ModelsAnswer:
    """Makes the answer with characters, models and styles in configured order; troubles are those of `engine_troubles`."""
    return ModelsAnswer(
        characters=tuple(catalog.characters),
        models={key: _model_entry(catalog, model, troubles.get(key, "")) for key, model in catalog.models.items()},
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


def verify_answer(recognized: Recognized) -> VerifyAnswer:
    """Makes the answer for a picture that was looked up."""
    found, picture = recognized.found, recognized.picture
    evidence: dict[str, Any] = {
        "c2pa": FoundCredentials(
            state=found.credentials.state,  # type: ignore[arg-type]  # c2pa's words are these
            issuer=found.credentials.issuer,
            manifest=found.credentials.manifest_id,
        ),
        "watermark": FoundWatermark(id=found.watermark.id, confidence=round(found.watermark.confidence, 4)),
        "pdq": FoundFingerprint(hash=found.fingerprint.hash, distance=recognized.distance),
        "verdict": recognized.origin.verdict,
    }
    if picture is None:
        return UnknownPictureAnswer(**evidence)
    return KnownPictureAnswer(**evidence, job=_found_job(picture))


def _found_job(picture: PictureRecord) -> FoundJob:
    removed = UNSET if picture.removed_at is None else utc_text(picture.removed_at)
    return FoundJob(gen_id=picture.gen_id, time=utc_text(picture.published_at), model=picture.model, removed=removed)


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


def told_answer(core: Core, job: Job) -> CompletedData | BlockedData | EndedData:
    """Makes the data of a webhook: the answer to `status` with the job's id; a withheld picture's URL goes to who asks for it."""
    job_id = written_id(job.id, job.surface)
    answer = ended_answer(core, job.id, job.state, job.outcome or Outcome(), code=job.error_code)
    if isinstance(answer, BlockedAnswer):
        return BlockedData(id=job_id, **structs.asdict(answer) | {"unsafe_url": UNSET})
    if isinstance(answer, CompletedAnswer):
        return CompletedData(id=job_id, **structs.asdict(answer))
    return EndedData(id=job_id, **structs.asdict(answer))


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


def _model_entry(catalog: Catalog, model: Model, trouble: str) -> ModelEntry:
    characters = catalog.characters_of(model)
    return ModelEntry(
        label=model.label,
        default_style=model.default_style,
        styles={key: Label(label=style.label) for key, style in model.styles.items()},
        characters=UNSET if characters == tuple(catalog.characters) else characters,
        sizes=UNSET if model.sizes == SIZES else model.sizes,
        reason=trouble or UNSET,
    )
