"""Watermarks that cannot be read: confirmed by a like picture of the tenant, and looked for thoroughly."""

import asyncio

import numpy as np
import pytest
from PIL import Image
from services.recognition.pictures import (
    barely_lost,
    finished,
    jpeg,
    verdict,
)

from imgen.domain.errors import Unavailable
from imgen.provenance import encoding, watermark
from imgen.provenance.inspection import inspect_picture
from imgen.services.recognition.recognize import reading_of
from imgen.threads import RECOGNITION
from starter.draw.picture import render
from starter.scene import draw_lots


def test_a_faint_watermark_is_confirmed_where_a_picture_of_the_tenant_is_alike(core, caller):
    """Strong compression: the id is not read, but the one of the like picture is; another tenant's stays unknown."""

    async def work(core):
        owner, other = caller(core, "studio"), caller(core, "rival")
        job, body = await finished(core, owner)
        faint = barely_lost(body)
        return job, inspect_picture(faint), await verdict(core, owner, faint), await verdict(core, other, faint)

    job, read, own, foreign = core(work)
    assert read.watermark.id is None
    assert (own.origin.verdict, own.picture.gen_id) == ("ours", job.gen_id)
    assert (own.found.watermark.id, own.found.watermark.search) == (job.watermark_id, "candidate")
    assert (foreign.origin.verdict, foreign.picture, foreign.found.watermark.id) == ("unknown", None, None)


def test_a_deep_search_lays_a_part_upon_the_thumbnail(core, caller):
    """Cut and made smaller, it is like no fingerprint; its own picture is among the closest."""

    async def work(core):
        principal = caller(core)
        job, _ = await finished(core, principal)
        await finished(core, principal, "blue hat")
        thumbnail = next(image for image in job.outcome.images if image.type == "thumbnail")
        # The tests' engine draws nothing that has features
        drawn = render(draw_lots(np.random.default_rng(1)), job.outcome.meta.width, job.outcome.meta.height)
        marked = Image.fromarray(watermark.embed(drawn, job.watermark_id))
        core.objects.delete(thumbnail.key)  # a key that is there is left as it is
        core.objects.put(thumbnail.key, encoding.thumbnail(np.asarray(marked), "jpeg"), "image/jpeg")
        box = (130, 40, 1210, 680)
        part = jpeg(np.asarray(marked.resize((648, 384), Image.Resampling.LANCZOS, box)), 75)
        plain, deep = [await verdict(core, principal, part, is_deep=is_deep) for is_deep in (False, True)]
        return job, plain, deep

    job, plain, deep = core(work)
    assert (plain.origin.verdict, plain.picture) == ("unknown", None)
    assert (deep.origin.verdict, deep.picture.gen_id) == ("likely", job.gen_id)
    assert deep.found.watermark.search == "candidate"


def test_one_thorough_search_runs_at_a_time(core, caller):
    """A second one is refused at once, an ordinary one is answered; then the next has its turn."""

    async def work(core):
        principal = caller(core)
        _, body = await finished(core, principal)
        async with core.deep_search:
            with pytest.raises(Unavailable):
                await verdict(core, principal, body, is_deep=True)
            told = [await verdict(core, principal, body)]
        return [*told, await verdict(core, principal, body, is_deep=True)]

    assert [one.origin.verdict for one in core(work)] == ["proven", "proven"]


def test_a_thorough_search_has_more_time_and_the_same_sizes(core):
    """It looks for what was cut and resized as well; both try the sizes of every model."""

    async def work(core):
        return [await asyncio.to_thread(reading_of, core, is_deep=is_deep) for is_deep in (False, True)]

    plain, deep = core(work)
    assert (plain.is_deep, deep.is_deep) == (False, True)
    assert plain.budget_s < deep.budget_s < RECOGNITION.timeout_s / 2
    assert plain.sizes == deep.sizes
    assert {(1344, 768), (5376, 3072)} <= set(plain.sizes)
