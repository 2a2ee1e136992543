"""The picture so far, for who watches."""

import io
import time

import numpy as np
import pytest
from factories import PLAN, make_job, make_recipe
from PIL import Image

from imgen.domain.job import State
from imgen.domain.recipe import PromptParts
from imgen.live import previews
from imgen.records import jobs, ledger
from workers import tasks
from workers.preview import EVERY_S, Preview


class Sketch:
    """Counts how often the engine is asked."""

    def __init__(self, pixels):
        self.asked = 0
        self._pixels = pixels

    def __call__(self):
        self.asked += 1
        return self._pixels


@pytest.fixture
def draw_preview():
    """Half red, half blue, as wide as an engine makes it."""
    pixels = np.zeros((192, 336, 3), np.uint8)
    pixels[:, :168, 0] = pixels[:, 168:, 2] = 250
    return Sketch(pixels)


def test_only_who_watches_sees_one_and_it_is_small(resources, draw_preview):
    """Nobody looks: nothing is drawn. Somebody does: 48 pixels of it, in its colours, for seconds."""
    job = make_job()
    Preview(resources, job).offer(draw_preview)
    assert draw_preview.asked == 0
    assert resources.live.run(previews.watch(job.id)) is None
    Preview(resources, job).offer(draw_preview)
    kept = resources.live.run(previews.watch(job.id))
    with Image.open(io.BytesIO(kept)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (48, 27))
        left, right = picture.getpixel((5, 13)), picture.getpixel((42, 13))
    assert left[0] > 200
    assert left[2] < 50
    assert right[2] > 200
    assert right[0] < 50
    assert len(kept) < 3000
    assert resources.live.run(previews.watch("run_" + "0" * 32)) is None


def test_it_is_drawn_twice_a_second_at_most(resources, draw_preview):
    """However quick the steps are."""
    job = make_job()
    resources.live.run(previews.watch(job.id))
    preview = Preview(resources, job)
    for _ in range(5):
        preview.offer(draw_preview)
    assert draw_preview.asked == 1
    time.sleep(EVERY_S)
    preview.offer(draw_preview)
    assert draw_preview.asked == 2


def test_an_engine_may_have_nothing_to_show(resources):
    """Then there is no preview, and the work goes on."""
    job = make_job()
    resources.live.run(previews.watch(job.id))
    Preview(resources, job).offer(lambda: None)
    assert resources.live.run(previews.watch(job.id)) is None


def test_the_operator_may_turn_them_off(make_resources, draw_preview):
    """Then nothing leaves before the review."""
    resources, job = make_resources("[workers]\npreviews = false\n"), make_job()
    resources.live.run(previews.watch(job.id))
    Preview(resources, job).offer(draw_preview)
    assert draw_preview.asked == 0
    assert resources.live.run(previews.watch(job.id)) is None


def test_without_redis_the_work_goes_on(make_resources, draw_preview, monkeypatch):
    """Nobody can look, and nothing is raised."""
    resources = make_resources()
    resources.live.close()
    monkeypatch.setattr(resources, "live", type(resources.live)("redis://127.0.0.1:1/0"))
    Preview(resources, make_job()).offer(draw_preview)
    assert draw_preview.asked == 0


@pytest.mark.parametrize(
    ("prompt", "is_seen"), [("marble statue of a woman", True), ("nude marble statue of a woman", False)]
)
def test_words_that_withhold_a_picture_withhold_its_previews(resources, prompt, is_seen):
    """A rule with release has it drawn all the same, for its owner alone and after the review."""
    parts = PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt)
    job = make_job(recipe=make_recipe(prompt_parts=parts))
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    resources.live.run(previews.watch(job.id))
    tasks.run_phase(resources, tasks.RENDER, job.id)
    with resources.database.read() as connection:
        assert jobs.find(connection, job.id).state is State.RENDERED
    assert (resources.live.run(previews.watch(job.id)) is not None) is is_seen
