"""Partial pictures of a stream reach users of the `openai` package one by one, before the finished picture."""

import base64
import contextlib
import io
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from clients.openai.conftest import PROMPT, opened
from PIL import Image
from servers.local import LocalApi, start_local_api, start_local_worker

from imgen.live import job_views, previews
from imgen.live.executors import BlockingExecutor

COLOURS = ("teal", "orange")


@pytest.fixture
def api(tmp_path: Path, clean_redis: str) -> Iterator[LocalApi]:
    with start_local_api(tmp_path / "var", clean_redis, "[openai]\nwait_s = 60\n") as running:
        yield running


@pytest.fixture
def work(api: LocalApi) -> Iterator[Callable[[str], None]]:
    with start_local_worker(api.settings) as does:
        yield does


def preview(colour: str) -> bytes:
    """A preview as a worker publishes it."""
    file = io.BytesIO()
    Image.new("RGB", (48, 48), colour).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_two_partial_pictures_come_before_the_finished_one(
    api: LocalApi, work: Callable[[str], None], kind: str
) -> None:
    """Each has the size and format of the answer and the preview's colours, and its own index."""
    events: queue.Queue = queue.Queue()
    fields = {"prompt": PROMPT, "size": "1024x1024", "output_format": "webp", "stream": True, "partial_images": 2}

    def read() -> None:
        with openai.OpenAI(base_url=f"{api.url}/v1", api_key=api.key) as client:
            images = client.images
            stream = (
                images.generate(**fields) if kind == "image_generation" else images.edit(image=preview("red"), **fields)
            )
            for event in stream:
                events.put(event)

    with ThreadPoolExecutor(1) as pool, contextlib.closing(BlockingExecutor(api.settings.redis_url)) as live:
        reading = pool.submit(read)
        job_id = open_job(api)
        for number, colour in enumerate(COLOURS):
            live.run(previews.set_preview(job_id, preview(colour)))
            live.run(job_views.set_progress(job_id, (number + 1.5) / 3, fence=1))
            event = events.get(timeout=60)
            assert (event.type, event.partial_image_index) == (f"{kind}.partial_image", number)
            picture = opened(base64.b64decode(event.b64_json)).convert("RGB")
            assert picture.size == (1024, 1024)
            assert event.output_format == "webp"
            expected = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
            assert picture.getpixel((512, 512)) == pytest.approx(expected, abs=12)
        work(job_id)
        reading.result(timeout=60)
    completed = events.get_nowait()
    assert completed.type == f"{kind}.completed"
    assert events.empty()


def open_job(api: LocalApi) -> str:
    """The id of the job that a request makes."""
    while not (jobs := api.post({"action": "jobs", "status": "IN_QUEUE"}).json()["jobs"]):
        time.sleep(0.02)
    return jobs[0]["id"]
