"""Results of a request: its ended jobs as an answer with the finished pictures, or the error of one that has none."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from imgen.asgi.answer_headers import note_warning
from imgen.domain.errors import GenerationFailed, ImgenError, NotFinished
from imgen.domain.job import ENDED, Job, State
from imgen.domain.outcome import Meta
from imgen.records import jobs as records
from imgen.services.core import Core
from imgen.surfaces.openai import failures
from imgen.surfaces.openai.answers import OpenAIImages, OpenAILoss, OpenAIPicture
from imgen.surfaces.openai.asked import Asked
from imgen.surfaces.openai.body import Embedded, embed
from imgen.surfaces.openai.order import AUTO, format_of
from imgen.surfaces.openai.usage import usage


class Finished(NamedTuple):
    """Picture of a completed job."""

    meta: Meta
    key: str
    filename: str


class Result(NamedTuple):
    """Answer, and the objects that it embeds."""

    answer: OpenAIImages
    embedded: list[Embedded]


async def read_jobs(core: Core, tenant_id: str, ids: Sequence[str]) -> list[Job]:
    """Reads jobs of a tenant.

    Raises:
        JobNotFound: one was deleted.
        Retryable: the database does not answer.
    """

    def read(connection: Connection) -> list[Job]:
        return [records.find(connection, job_id, tenant_id=tenant_id) for job_id in ids]

    return await core.database.reading(read)


def finished(job: Job) -> Finished | None:
    """Returns the picture of a job; None: it has none (any more)."""
    if job.state is State.COMPLETED and job.outcome is not None and job.outcome.meta is not None:
        for image in job.outcome.images:
            if image.type == "signed":
                return Finished(job.outcome.meta, image.key, image.filename)
    return None


def loss(job: Job) -> ImgenError:
    """Returns the reason why an ended job has no picture."""
    if job.outcome is not None and job.outcome.blocked is not None:
        names = ", ".join(job.outcome.blocked.names)
        return failures.Blocked(f"Your request was rejected by the safety system: flagged for {names}")
    if job.state is State.CANCELLED:
        return failures.Stopped()
    if job.state is State.TIMED_OUT:
        return GenerationFailed("Timed out" if job.outcome is None else job.outcome.error)
    return GenerationFailed()


def losses(jobs: Sequence[Job]) -> list[OpenAILoss]:
    """Lists the pictures that are missing among those of a request."""
    lost = [(place, loss(job)) for place, job in enumerate(jobs) if finished(job) is None]
    return [OpenAILoss(index=place, code=error.code, message=str(error)) for place, error in lost]


def check(jobs: Sequence[Job]) -> None:
    """Checks that there is anything to answer.

    Raises:
        NotFinished: not all jobs have ended.
        ImgenError: none of them has a picture; of several reasons one that another try may mend.
    """
    if any(job.state not in ENDED for job in jobs):
        raise NotFinished(retry_after_s=1)
    if all(finished(job) is None for job in jobs):
        raise min(map(loss, jobs), key=lambda error: isinstance(error, failures.Blocked | failures.Stopped))


async def result(core: Core, asked: Asked, jobs: Sequence[Job]) -> Result:
    """Makes the answer of ended jobs, with the pictures of those that completed.

    Raises:
        ImgenError: as for `check`.
        ObjectNotFound, Retryable: a file cannot be read.
    """
    check(jobs)
    lost = losses(jobs)
    blocked = tuple(one for one in lost if one.code == failures.MODERATION_BLOCKED)
    failed = tuple(one for one in lost if one.code != failures.MODERATION_BLOCKED)
    for missing in lost:
        note_warning(f"picture {missing.index} is missing: {missing.code}")
    found = [one for one in map(finished, jobs) if one is not None]
    pictures, embedded = [], []
    for one in found:
        revised = revised_prompt(one.meta)
        if asked.sent.response_format == "url":
            url = core.objects.url(one.key, expires_s=core.settings.objects.url_expires_s, filename=one.filename)
            pictures.append(OpenAIPicture(url=url, revised_prompt=revised))
        else:
            embedded.append(await embed(core.objects, one.key))
            pictures.append(OpenAIPicture(b64_json=embedded[-1].mark, revised_prompt=revised))
    answer = OpenAIImages(
        created=int(core.clock()),
        data=tuple(pictures),
        output_format=format_of(asked.sent),
        quality=asked.sent.quality or AUTO,
        size=size_text(found[0].meta),
        usage=usage(asked.prompt or "", asked.pictures.sizes, [(one.meta.width, one.meta.height) for one in found]),
        blocked=blocked or UNSET,
        failed=failed or UNSET,
    )
    return Result(answer, embedded)


def revised_prompt(meta: Meta) -> str | UnsetType:
    """Returns the prompt that was drawn in place of the one that was sent: an engine's own, or the improved one with its tags."""
    return meta.revised_prompt or (meta.positive if meta.optimized else UNSET)


def size_text(meta: Meta) -> str:
    """Returns the size of a picture as the dialect writes it."""
    return f"{meta.width}x{meta.height}"
