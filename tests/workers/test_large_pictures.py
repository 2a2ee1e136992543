"""The largest pictures there are, from the render to the proof of their origin."""

import io

import numpy as np
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from PIL import Image

from imgen.domain.job import State
from imgen.domain.recipe import Output, VisibleWatermark
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs, ledger
from workers import tasks

RED = (220, 20, 30)


@pytest.fixture
def logo(resources):
    """Key of a red logo, larger than pictures that are not enlarged."""
    file = io.BytesIO()
    Image.new("RGBA", (2600, 1300), (*RED, 255)).save(file, "PNG")
    resources.objects.put("logos/red.png", file.getvalue(), "image/png")
    return "logos/red.png"


def submit(resources, logo, width, height, file_format):
    recipe = make_recipe(
        output=Output(format=file_format),
        visible_watermark=VisibleWatermark(image_key=logo, scale=50, position="center"),
    )
    drawn = structs.replace(recipe.diffusion, width=width, height=height, upscale=4)
    job = make_job(recipe=structs.replace(recipe, diffusion=drawn))
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("size", "file_format"),
    [((1024, 1024), "jpeg"), ((1024, 1024), "webp"), ((1344, 768), "png"), ((1344, 768), "avif")],
    ids=lambda value: value if isinstance(value, str) else f"{4 * value[0]}x{4 * value[1]}",
)
def test_an_enlarged_picture_is_recognized(resources, logo, size, file_format):
    """4096² and 5376×3072 keep their logo, mark, fingerprint and credentials, and their master is no heap of bare pixels."""
    job, (width, height) = submit(resources, logo, *size, file_format), (4 * size[0], 4 * size[1])
    tasks.run_phase(resources, tasks.RENDER, job.id)
    master = resources.objects.get(read(resources, job).master_key)
    assert len(master) < width * height * 3 / 2
    tasks.run_phase(resources, tasks.FINISH, job.id)
    ended = read(resources, job)
    assert ended.state is State.COMPLETED, ended.error_reason
    meta, (signed, thumbnail) = ended.outcome.meta, ended.outcome.images
    assert (meta.width, meta.height, meta.watermark_verified) == (width, height, True)
    body = resources.objects.get(signed.key)
    anchors = (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()
    found = inspect_picture(body, anchors)
    assert (found.credentials.state, found.credentials.manifest_id) == ("Trusted", meta.manifest_id)
    assert (found.watermark.id, found.width, found.height) == (job.watermark_id, width, height)
    if file_format == "png":
        assert found.fingerprint.hash == meta.fingerprint
    with Image.open(io.BytesIO(body)) as image:
        assert image.format == file_format.upper()
        middle = np.asarray(image.convert("RGB"))[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8]
    assert np.abs(middle.mean((0, 1)) - RED).max() < 12
    with Image.open(io.BytesIO(resources.objects.get(thumbnail.key))) as image:
        assert max(image.size) == 384
