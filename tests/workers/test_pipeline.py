"""The fold that runs a stage table."""

from dataclasses import replace

import pytest
from factories import make_job

from imgen.domain.errors import LeaseLost, ModelError
from workers import pipeline
from workers.picture import Context, Picture
from workers.pipeline import Stage


def context(checkpoint=lambda: None):
    return Context(job=make_job(), model=None, resources=None, checkpoint=checkpoint, report=lambda *_: None)


def adding(letter):
    return lambda picture, _context: replace(picture, fingerprint=picture.fingerprint + letter)


def test_stages_run_in_order_and_seconds_are_summed():
    """Each stage gets what the one before made; timings of one name add up."""
    stages = [Stage(adding("a"), "x"), Stage(adding("b"), "y"), Stage(adding("c"), "x")]
    picture, seconds = pipeline.run(stages, Picture(), context())
    assert picture.fingerprint == "abc"
    assert set(seconds) == {"x", "y"}


def test_it_asks_before_every_stage_and_after_the_last():
    """A checkpoint that refuses stops the work there, also after the last stage: no commit follows."""
    for allowed in range(3):
        asked, ran = [], []

        def checkpoint(asked=asked, allowed=allowed):
            asked.append(1)
            if len(asked) > allowed:
                raise LeaseLost

        def stage(picture, _context, ran=ran):
            ran.append(1)
            return picture

        with pytest.raises(LeaseLost):
            pipeline.run([Stage(stage, "x"), Stage(stage, "x")], Picture(), context(checkpoint))
        assert len(ran) == allowed


def test_a_stage_that_fails_ends_the_run():
    """Errors pass through unchanged, and later stages do not run."""

    def broken(_picture, _context):
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        pipeline.run([Stage(broken, "x"), Stage(adding("a"), "x")], Picture(), context())


def test_nothing_is_published_before_review_and_nothing_changes_after_signing():
    """The order that the contract rests on."""
    names = [stage.run.__name__ for stage in pipeline.FINISH]
    assert names.index("picture") < min(names.index(name) for name in ("brand", "embed", "sign", "store"))
    assert names[-2:] == ["sign", "store"]


def test_nothing_is_laid_over_a_picture_after_its_last_review():
    """The logo is reviewed before it is used, and the picture with it right after; the watermark, which nobody sees, follows."""
    names = [stage.run.__name__ for stage in pipeline.FINISH]
    assert names[names.index("logo") : names.index("embed") + 1] == ["logo", "brand", "branded", "embed"]


KEEP_PIXELS = {
    "fingerprint": "reads them",
    "thumbnail": "makes a small file of its own",
    "sign": "adds the manifest beside the pixels",
    "store": "uploads the files",
}
"""Stage after `hold` → why it changes no pixel."""


def test_no_stage_changes_pixels_after_the_mark_is_held():
    """The file holds the pixels that `encode` saw, or those with which `hold` replaced both: a later change would be lost."""
    names = [stage.run.__name__ for stage in pipeline.FINISH]
    assert names[names.index("encode") + 1] == "hold"
    assert set(names[names.index("hold") + 1 :]) == set(KEEP_PIXELS)
