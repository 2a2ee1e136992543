"""Streams of a request: previews while its pictures are drawn, each picture as it is finished, then those that are missing."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence

import msgspec
import structlog
from msgspec import Struct

from imgen.asgi.event_stream import Unfinished, frame
from imgen.domain.errors import ImgenError, NotFinished, Retryable, Unavailable
from imgen.domain.job import Job
from imgen.live import job_views, previews
from imgen.services.core import Core
from imgen.surfaces.openai import body, failures, results
from imgen.surfaces.openai.answers import OpenAICompleted, OpenAIFailure, OpenAILost, OpenAIPartialImage
from imgen.surfaces.openai.asked import GENERATIONS, Asked
from imgen.surfaces.openai.order import AUTO, format_of
from imgen.surfaces.openai.usage import usage
from imgen.threads import PICTURES

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
"""Interval of looks for previews; workers make two a second at most."""
PARTIAL_QUALITY = 75
"""Of the encoder: a preview has 48 pixels."""
ERROR = "error"
_encode = msgspec.json.Encoder().encode


def farewell() -> bytes:
    """Returns the event that ends a stream when the server stops."""
    return frame(event=ERROR, data=_encode(OpenAIFailure(error=failures.describe(Unavailable()))))


class PictureStream:
    """Stream of one request."""

    def __init__(self, core: Core, asked: Asked, jobs: Sequence[Job]) -> None:
        self._core = core
        self._asked = asked
        self._jobs = {job.id: (place, job) for place, job in enumerate(jobs)}
        self._tenant_id = jobs[0].tenant_id
        self._kind = "image_generation" if asked.route == GENERATIONS else "image_edit"
        self.is_complete = True
        """Whether a retry would get nothing more."""
        self._partials = {job.id: _Partials(asked.sent.partial_images or 0) for job in jobs}

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yields the events; the last one is an error if there is no picture at all."""
        try:
            async for chunk in self._frames():
                yield chunk
        except ImgenError as exc:
            self.is_complete = not isinstance(exc, NotFinished | Retryable)
            yield self._frame(ERROR, OpenAIFailure(error=failures.describe(exc)))

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        wait_s = self._core.settings.openai.wait_s
        waits = {
            job_id: asyncio.create_task(self._core.awaiting.ends(self._tenant_id, [job_id], timeout_s=wait_s))
            for job_id in self._jobs
        }
        look_s = LOOK_EVERY_S if self._asked.sent.partial_images else None
        ended: dict[str, Job] = {}
        try:
            while waits:
                await asyncio.wait(waits.values(), timeout=look_s, return_when=asyncio.FIRST_COMPLETED)
                for job_id in [job_id for job_id, wait in waits.items() if wait.done()]:
                    del waits[job_id]
                    (ended[job_id],) = await results.read_jobs(self._core, self._tenant_id, [job_id])
                    async for chunk in self._picture(ended[job_id]):
                        yield chunk
                for job_id in waits:
                    if (partial := await self._partial(job_id)) is not None:
                        yield partial
        finally:
            for wait in waits.values():
                wait.cancel()
            await asyncio.gather(*waits.values(), return_exceptions=True)
        jobs = [ended[job_id] for job_id in self._jobs]
        results.check(jobs)
        for lost in results.losses(jobs):
            missing = OpenAILost(type=f"{self._kind}.missing", index=lost.index, code=lost.code, message=lost.message)
            yield self._frame(missing.type, missing)

    async def _picture(self, job: Job) -> AsyncGenerator[bytes, None]:
        """Yields the event of a finished picture in parts; nothing if the job has none."""
        found = results.finished(job)
        if found is None:
            return
        core, asked, meta = self._core, self._asked, found.meta
        embedded = await body.embed(core.objects, found.key)
        event = OpenAICompleted(
            type=f"{self._kind}.completed",
            b64_json=embedded.mark,
            created_at=int(core.clock()),
            size=results.size_text(meta),
            quality=asked.sent.quality or AUTO,
            output_format=format_of(asked.sent),
            image_index=self._jobs[job.id][0],
            usage=usage(asked.prompt or "", asked.pictures.sizes, [(meta.width, meta.height)]),
            revised_prompt=results.revised_prompt(meta),
        )
        yield Unfinished(b"event: %s\ndata: " % event.type.encode())
        try:
            async for piece in body.pieces(core.objects, body.encoded(event, [embedded])):
                yield Unfinished(piece)
        except ImgenError as exc:
            raise BrokenOff from exc
        yield b"\n\n"

    async def _partial(self, job_id: str) -> bytes | None:
        """Returns the event of a new preview, if it is time for one and there is one."""
        core, partials = self._core, self._partials[job_id]
        if partials.left == 0:
            return None
        try:
            latest, progress = await asyncio.gather(
                core.live.run(previews.watch(job_id)), core.live.run(job_views.get_progress(job_id))
            )
        except Unavailable:
            return None
        if latest is None or not partials.takes(latest, progress or 0.0):
            return None
        place, job = self._jobs[job_id]
        file_format = format_of(self._asked.sent)
        size = tuple(
            side * job.recipe.diffusion.upscale for side in (job.recipe.diffusion.width, job.recipe.diffusion.height)
        )
        large = await PICTURES.run(_enlarge, latest, file_format, (size[0], size[1]))
        event = OpenAIPartialImage(
            type=f"{self._kind}.partial_image",
            b64_json=base64.b64encode(large).decode(),
            created_at=int(core.clock()),
            size=f"{size[0]}x{size[1]}",
            quality=self._asked.sent.quality or AUTO,
            output_format=file_format,
            image_index=place,
            partial_image_index=partials.sent - 1,
        )
        return self._frame(event.type, event)

    @staticmethod
    def _frame(event: str, value: Struct) -> bytes:
        return frame(event=event, data=_encode(value))


class BrokenOff(Exception):
    """End of a stream in the middle of an event."""


class _Partials:
    """Previews of one picture, spread over the time of its drawing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last = b""
        self.sent = 0

    @property
    def left(self) -> int:
        """Returns the number that may still be sent."""
        return self._most - self.sent

    def takes(self, preview: bytes, progress: float) -> bool:
        """Returns whether a preview is to be sent at this progress, 0–1, and counts it."""
        if preview == self._last or progress < (self.sent + 1) / (self._most + 1):
            return False
        self._last = preview
        self.sent += 1
        return True


def _enlarge(preview: bytes, file_format: str, size: tuple[int, int]) -> bytes:
    from imgen.provenance import encoding  # numpy and Pillow are not needed before

    return encoding.enlarge(preview, file_format, size=size, quality=PARTIAL_QUALITY)
