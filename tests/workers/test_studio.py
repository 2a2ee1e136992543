"""Studio in a worker: exports of exact size, pictures that nothing draws, and what their credentials tell."""

import io

import numpy as np
import pytest
from PIL import Image
from product_shots import PLAIN
from studio_jobs import finish, found, inspected, noise, signed_file, studio_job, told_actions
from upscaling import save_esrgan

from imgen.domain.job import State
from imgen.domain.recipe import REDRAWN
from imgen.provenance.fingerprint import distance
from imgen.provenance.plane_filters import grow
from workers import spool, tasks
from workers.picture import Picture
from workers.stages.master import decoded
from workers.stages.source import used_part

OPENED, CROPPED, RESIZED = (
    ("opened", ""),
    ("cropped", "algorithmicallyEnhanced"),
    ("resized", "algorithmicallyEnhanced"),
)
DRAWN_OVER, MARKED = ("edited", "compositeWithTrainedAlgorithmicMedia"), ("watermarked", "")
ENHANCED = [("edited", "algorithmicallyEnhanced"), ("color_adjustments", "algorithmicallyEnhanced")]


@pytest.mark.parametrize(
    ("frame", "upscale", "told"),
    [
        ((384, 216), 1, [OPENED, CROPPED, DRAWN_OVER, MARKED]),
        ((1024, 576), 4, [OPENED, CROPPED, DRAWN_OVER, RESIZED, MARKED]),
        ((300, 400), 2, [OPENED, CROPPED, DRAWN_OVER, RESIZED, MARKED]),
        ((384, 256), 1, [OPENED, DRAWN_OVER, MARKED]),
        ((360, 240), 1, [OPENED, DRAWN_OVER, RESIZED, MARKED]),
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


@pytest.mark.parametrize(("size", "upscaler"), [((256, 192), "x4.safetensors"), ((1640, 1230), "lanczos")])
def test_a_network_enlarges_what_is_as_small_as_a_drawn_picture(make_resources, size, upscaler):
    """Beyond that it would take minutes; either way the size is exact."""
    resources = make_resources('[workers]\nupscale_tile = 128\nupscalers = { 4 = "x4.safetensors" }\n')
    save_esrgan(resources.settings.data_dir / "models" / "x4.safetensors", scale=4)
    frame = round(size[0] * 1.3), round(size[1] * 1.3)
    job = studio_job(resources, noise(*size), mode="enhance", size=size, frame=frame, upscale=2)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    master = decoded(Picture(), resources.objects.get(found(resources, job).master_key))
    assert (master.pixels.shape[1::-1], master.upscaler) == (frame, upscaler)


def test_an_enhanced_picture_is_drawn_by_no_model(resources):
    """None is loaded; no statement says that one drew; the source is the parent."""
    job = studio_job(resources, noise(300, 300), mode="enhance", size=(300, 225), frame=(400, 300), upscale=2)
    job = finish(resources, job)
    assert (job.state, job.outcome.meta.width, job.outcome.meta.height) == (State.COMPLETED, 400, 300)
    assert resources.models.memory.entries == ()
    seen = inspected(resources, job)
    assert told_actions(seen) == [OPENED, CROPPED, *ENHANCED, RESIZED, MARKED]
    (parent,) = seen.credentials.manifest["ingredients"]
    assert parent["relationship"] == "parentOf"
    assert seen.watermark.id == job.watermark_id


def test_an_avatar_of_4096_pixels_is_trusted_and_marked(resources):
    """Watermark, fingerprint and signature are read back from the finished file, which is as large as it was asked for."""
    job = studio_job(resources, noise(320, 320), mode="avatar", size=(1024, 1024), frame=(4096, 4096), upscale=4)
    job = finish(resources, job)
    meta = job.outcome.meta
    assert (job.state, meta.width, meta.height, meta.watermark_verified) == (State.COMPLETED, 4096, 4096, True)
    with Image.open(io.BytesIO(signed_file(resources, job))) as image:
        assert image.size == (4096, 4096)
    seen = inspected(resources, job)
    assert (seen.credentials.state, seen.watermark.id) == ("Trusted", job.watermark_id)
    assert distance(seen.fingerprint.hash, meta.fingerprint) <= 31


@pytest.mark.parametrize(("frame", "upscale"), [((560, 420), 1), ((420, 420), 1), ((1120, 840), 2)])
def test_a_product_keeps_its_pixels(resources, frame, upscale):
    """In the master, at every size: there they are those of the source, scaled to it; around it all is drawn anew."""
    made = PLAIN["mug on white"]()
    source = np.asarray(Image.open(io.BytesIO(made.body)))
    mask = np.where(made.truth, 0, 255).astype(np.uint8)
    job = studio_job(
        resources,
        source,
        mode="product",
        size=(560, 448),
        frame=frame,
        upscale=upscale,
        mask=mask,
        strength=1.0,
        seam_px=2,
    )
    tasks.run_phase(resources, tasks.RENDER, job.id)
    job = found(resources, job)
    master = decoded(Picture(), resources.objects.get(job.master_key)).pixels
    assert master.shape == (frame[1], frame[0], 3)
    fitted, kept = (used_part(pixels, job.recipe, frame) for pixels in (source, mask))
    kept = kept < REDRAWN
    assert kept.mean() > 0.1
    assert np.array_equal(master[kept], fitted[kept])
    far = ~grow(kept, 3 * upscale)
    assert (master[far] != fitted[far]).any(axis=1).mean() > 0.95


@pytest.mark.parametrize("mode", ["enhance", "product"])
def test_pixels_that_the_store_did_not_take_are_not_changed_again(resources, mode):
    """A later attempt takes the finished picture out of the spool as it is: none of the steps is repeated on it."""
    mask = np.full((200, 300), 255, np.uint8)
    mask[50:150, 100:200] = 0
    product = {"mask": mask, "seam_px": 2} if mode == "product" else {}
    masters = []
    for seed in (1, 2):
        job = studio_job(
            resources, noise(300, 200), mode=mode, size=(300, 200), frame=(500, 333), upscale=2, seed=seed, **product
        )
        if masters:
            spool.save(resources.settings.data_dir, job.id, masters[0])
        tasks.run_phase(resources, tasks.RENDER, job.id)
        masters.append(resources.objects.get(found(resources, job).master_key))
    first, second = (decoded(Picture(), master).pixels for master in masters)
    assert first.shape == (333, 500, 3)
    assert np.array_equal(first, second)


def test_an_enhanced_master_is_the_same_every_time(resources):
    """Two jobs of one recipe have equal pixels."""
    masters = []
    for _ in range(2):
        job = studio_job(resources, noise(300, 200), mode="enhance", size=(300, 200), frame=(600, 400), upscale=2)
        tasks.run_phase(resources, tasks.RENDER, job.id)
        masters.append(resources.objects.get(found(resources, job).master_key))
    first, second = (decoded(Picture(), master).pixels for master in masters)
    assert np.array_equal(first, second)


def test_a_portrait_cut_keeps_the_upper_third(resources):
    """Two thirds of the cut height come off below."""
    rows = np.repeat(np.arange(300, dtype=np.uint8)[:, None] // 2, 60, axis=1)
    recipe = studio_job(resources, np.dstack([rows] * 3), size=(60, 72), frame=(150, 180)).recipe
    assert used_part(rows, recipe, (60, 72))[0, 0] == pytest.approx((300 - 72) / 3 / 2, abs=1)
