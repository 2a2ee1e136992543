"""Studio in a worker: exports of exact size, pictures that nothing draws, and what their credentials tell."""

import pytest
from studio_jobs import finish, inspected, noise, studio_job, told_actions

from imgen.domain.job import State

OPENED, CROPPED, RESIZED = (
    ("opened", ""),
    ("cropped", "algorithmicallyEnhanced"),
    ("resized", "algorithmicallyEnhanced"),
)
REDRAWN, MARKED = ("edited", "compositeWithTrainedAlgorithmicMedia"), ("watermarked", "")
ENHANCED = [("edited", "algorithmicallyEnhanced"), ("color_adjustments", "algorithmicallyEnhanced")]


@pytest.mark.parametrize(
    ("frame", "upscale", "told"),
    [
        ((384, 216), 1, [OPENED, CROPPED, REDRAWN, MARKED]),
        ((1024, 576), 4, [OPENED, CROPPED, REDRAWN, RESIZED, MARKED]),
        ((300, 400), 2, [OPENED, CROPPED, REDRAWN, RESIZED, MARKED]),
        ((384, 256), 1, [OPENED, REDRAWN, MARKED]),
        ((360, 240), 1, [OPENED, REDRAWN, RESIZED, MARKED]),
    ],
    ids=str,
)
def test_a_picture_has_the_exact_size_of_its_frame(resources, frame, upscale, told):
    """So do file and meta; its credentials tell how it came to it."""
    job = finish(resources, studio_job(resources, noise(300, 200), frame=frame, upscale=upscale))
    assert job.state is State.COMPLETED
    assert (job.outcome.meta.width, job.outcome.meta.height) == frame
    seen = inspected(resources, job)
    assert seen.credentials.state == "Trusted"
    assert told_actions(seen) == told


def test_an_enhanced_picture_is_drawn_by_no_model(resources):
    """None is loaded; no statement says that one drew; the source is the parent."""
    job = studio_job(
        resources, noise(300, 300), mode="enhance", size=(300, 225), frame=(400, 300), upscale=2, num_inference_steps=0
    )
    job = finish(resources, job)
    assert (job.state, job.outcome.meta.width, job.outcome.meta.height) == (State.COMPLETED, 400, 300)
    assert resources.models.memory.entries == ()
    seen = inspected(resources, job)
    assert told_actions(seen) == [OPENED, CROPPED, *ENHANCED, RESIZED, MARKED]
    (parent,) = seen.credentials.manifest["ingredients"]
    assert parent["relationship"] == "parentOf"
    assert seen.watermark.id == job.watermark_id
