"""The finish half's stages for the invisible mark in files of low quality, from the embedding to the fingerprint."""

import numpy as np
import pytest
from factories import make_job, make_recipe

from imgen.domain.recipe import Output
from imgen.provenance import encoding, watermark
from imgen.provenance import fingerprint as pdq
from starter.draw.picture import render
from starter.scene import draw_lots
from workers import pipeline
from workers.picture import Context, Picture
from workers.pipeline import Stage
from workers.stages import encode, fingerprint
from workers.stages import watermark as marks

WATERMARK_ID = "6b86b273ff34"
"""One that qualities 44 to 48 all lose, and that all hold once it is strengthened: another id may need more than 40 dB."""
STAGES = [Stage(run, "finish") for run in (marks.embed, encode.encode, marks.hold, fingerprint.fingerprint)]


@pytest.fixture(scope="module")
def drawing():
    return render(draw_lots(np.random.default_rng(0)), 768, 512)


def finish(pixels, quality):
    """Runs the stages; also returns the job and how often they asked whether to go on."""
    asked = []
    recipe = make_recipe(output=Output(format="jpeg", quality=quality))
    job = make_job(recipe=recipe, watermark_id=WATERMARK_ID)
    context = Context(
        job=job, model=None, resources=None, checkpoint=lambda: asked.append(1), report=lambda *_args: None
    )
    return pipeline.run(STAGES, Picture(pixels=pixels), context)[0], job, len(asked)


def test_mark_that_the_file_lost_is_strengthened(drawing):
    """The file gives the job's id, and the fingerprint is that of the pixels in it; neither picture of before is kept."""
    picture, job, asked = finish(drawing, quality=46)
    assert asked > len(STAGES) + 1
    assert picture.watermark_verified
    assert watermark.decode(encoding.decode(picture.encoded)).id == job.watermark_id
    assert picture.encoded == encoding.encode(picture.pixels, "jpeg", quality=46)
    assert not np.array_equal(picture.pixels, watermark.embed(drawing, job.watermark_id))
    assert picture.fingerprint == pdq.fingerprint(picture.pixels).hash
    assert (picture.unmarked.size, picture.unbranded.size) == (0, 0)


@pytest.mark.parametrize(("quality", "is_verified"), [(95, True), (5, False)])
def test_mark_that_holds_or_never_will_stays_the_least_visible(drawing, quality, is_verified):
    """A file that gives its id is made once; one that would not give it within 40 dB keeps the mark it had."""
    picture, job, asked = finish(drawing, quality=quality)
    assert picture.watermark_verified is is_verified
    assert (asked == len(STAGES) + 1) is is_verified
    assert np.array_equal(picture.pixels, watermark.embed(drawing, job.watermark_id))
    assert picture.encoded == encoding.encode(picture.pixels, "jpeg", quality=quality)
    assert picture.unmarked.size == 0
