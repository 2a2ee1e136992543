"""Finished pictures and what platforms, editors and forgers make of them, for tests of recognition."""

import asyncio
import io

import numpy as np
from PIL import Image
from submitting import submit_repaired

from imgen.domain.request import GenerateRequest
from imgen.provenance import watermark
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs
from imgen.services.recognition.recognize import recognize
from workers import tasks
from workers.resources import open_resources

SEGMENT = 0xFF
APP11, START_OF_SCAN = 0xEB, 0xDA


async def finished(core, principal, prompt="red coat", seed=None):
    """A finished job of a new picture, and its signed file."""
    made = await submit_repaired(core, principal, GenerateRequest(prompt=prompt, seed=seed), surface="action")
    (job,) = made.jobs
    resources = open_resources(core.settings)
    try:
        for phase in (tasks.RENDER, tasks.FINISH):
            await asyncio.to_thread(tasks.run_phase, resources, phase, job.id)
    finally:
        resources.close()
    ended = await core.database.reading(jobs.find, job.id)
    return ended, core.objects.get(ended.outcome.images[0].key)


async def verdict(core, principal, body, **options):
    return await recognize(core, lambda: body, scope=frozenset({principal.tenant.id}), **options)


def marked(watermark_id, size):
    """A smooth picture with a watermark."""
    noise = np.random.default_rng(1).integers(0, 256, (12, 21, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
    return Image.fromarray(watermark.embed(smooth, watermark_id))


def pixels_of(body):
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg(pixels, quality=90):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def stripped(body, quality=90):
    """The picture as a platform saves it anew: without any metadata."""
    return jpeg(pixels_of(body), quality)


def barely_lost(body):
    """The picture at the best JPEG quality at which its watermark cannot be read any more."""
    worse = (stripped(body, quality) for quality in range(50, 20, -1))
    return next(one for one in worse if inspect_picture(one).watermark.id is None)


def with_credentials_of(signed, other):
    """A JPEG with the credentials of another one."""
    segments, at = b"", 2
    while signed[at + 1] != START_OF_SCAN:
        end = at + 2 + int.from_bytes(signed[at + 2 : at + 4])
        if signed[at + 1] == APP11:
            segments += signed[at:end]
        at = end
    return other[:2] + segments + other[2:]
