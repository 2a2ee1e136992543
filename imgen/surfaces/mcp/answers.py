"""Answers of the tools, before the `mcp` package encodes them: words for the agent, a structure for programs, a small picture."""

import base64
from pathlib import PurePosixPath

import msgspec
from msgspec import Struct, structs

from imgen.domain.errors import ImgenError
from imgen.domain.job import ENDED, State
from imgen.domain.outcome import Outcome
from imgen.services import job_facts
from imgen.services import jobs as job_service
from imgen.services.jobs import JobStatus
from imgen.services.links import picture_links
from imgen.surfaces import tier_jobs
from imgen.surfaces.mcp.call import McpCall
from imgen.surfaces.mcp.wire import ImageJob
from imgen.surfaces.public_address import base_of
from imgen.surfaces.tier_jobs import TierJob
from imgen.threads import OBJECTS

SHOWN_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
"""File name's ending → media type, of pictures that models can look at."""
MAX_SHOWN_BYTES = 512 * 1024
"""Limit of a picture beside the words: some hosts refuse answers of more than a megabyte, in base64."""


class ToolAnswer(Struct, frozen=True, kw_only=True):
    """Answer of a tool."""

    text: str
    structure: Struct | None = None
    picture: str = ""
    """Small picture in base64; empty: none."""
    picture_type: str = ""
    """Its media type."""
    is_error: bool = False
    has_ended: bool = True
    """Whether nothing is left to wait for."""


def listed(value: Struct) -> ToolAnswer:
    """Answers a structure, whose words are its JSON."""
    return ToolAnswer(text=msgspec.json.encode(value).decode(), structure=value)


async def job_answer(call: McpCall, job_id: str, *, notes: tuple[str, ...] = ()) -> ToolAnswer:
    """Answers the state of a job, with a small picture if it is finished.

    Raises:
        BadId, JobNotFound, CacheExpired: see job_status.
        Retryable: the database does not answer.
    """
    status = await job_service.job_status(call.core, call.principal, job_id, job_service.get_view(call.core, job_id))
    facts = await job_facts.read(call.core, call.principal, job_id)
    job = _image_job(call, status, tier_jobs.of_status(job_id, status, facts), notes)
    picture = await _small_picture(call, status.view.outcome)
    return ToolAnswer(
        text=_words(job, status),
        structure=job,
        picture=base64.b64encode(picture[0]).decode(),
        picture_type=picture[1],
        is_error=job.state == "failed",
        has_ended=status.view.state in ENDED,
    )


def _image_job(call: McpCall, status: JobStatus, job: TierJob, notes: tuple[str, ...]) -> ImageJob:
    outcome, url = status.view.outcome or Outcome(), None
    if job.asset_url is not None and call.core.settings.forge.assets == "public":
        url = base_of(call.core.settings, call.scope) + job.asset_url
    elif job.asset_url is not None:
        url = next((link.url for link in picture_links(call.core, outcome) if link.type == "signed"), None)
    is_open = status.view.state not in ENDED
    return ImageJob(
        **structs.asdict(job),
        url=url,
        width=outcome.meta.width if outcome.meta is not None else None,
        height=outcome.meta.height if outcome.meta is not None else None,
        progress=status.progress if is_open else None,
        position=status.position,
        eta_s=status.eta_s if is_open else None,
        notes=notes,
    )


def _words(job: ImageJob, status: JobStatus) -> str:
    if status.view.state is State.COMPLETED:
        seed = "its seed unknown" if job.seed is None else f"seed {job.seed}"
        said = [
            f"The picture is at {job.url}" if job.url else "The picture is finished; its file is not kept any more.",
            f"It is {job.width}×{job.height} pixels, drawn by {job.model}, {seed}; its job_id is {job.job_id}.",
        ]
    elif job.state == "failed":
        said = [
            f"No picture: {job.error.removesuffix('.') if job.error else 'the job failed'}. Job {job.job_id} has ended."
        ]
    else:
        said = [
            f"Job {job.job_id} is {job.state}{_details(job, status)}.",
            f'Call check_job with {{"job_id": "{job.job_id}", "wait_s": 50}} to wait for the picture.',
        ]
    return "\n".join([*said, *([job.enhancement_logic] if job.enhancement_logic else []), *job.notes])


def _details(job: ImageJob, status: JobStatus) -> str:
    parts = []
    if job.position is not None:
        parts.append(f"at position {job.position} in the queue")
    if job.progress:
        parts.append(f"{job.progress:.0%} done")
    if job.eta_s is not None:
        parts.append(f"about {job.eta_s} s to go")
    if status.unserved_queue:
        parts.append(f"no worker serves {status.unserved_queue}: tell the operator")
    return "".join(f", {part}" for part in parts)


async def _small_picture(call: McpCall, outcome: Outcome | None) -> tuple[bytes, str]:
    """Returns the thumbnail and its type; both are empty where there is none to show."""
    for image in () if outcome is None else outcome.images:
        media_type = SHOWN_TYPES.get(PurePosixPath(image.filename).suffix.lower())
        if image.type == "thumbnail" and media_type is not None:
            try:
                body = await OBJECTS.run(call.core.objects.get, image.key)
            except ImgenError:  # the URL is told all the same
                return b"", ""
            return (body, media_type) if len(body) <= MAX_SHOWN_BYTES else (b"", "")
    return b"", ""
