"""Streams of OpenAI's dialect: previews, finished pictures, missing ones and failures as events."""

import asyncio
import contextlib
import io
import json

from PIL import Image
from servers.local import run_with_core
from surfaces.openai.answered import opened
from surfaces.openai.conftest import PROMPT
from surfaces.openai.test_edits import EDITS, png

from imgen.live import job_views, previews
from imgen.records import jobs
from imgen.surfaces.openai.asked import GENERATIONS, Asked
from imgen.surfaces.openai.streams import PictureStream
from imgen.surfaces.openai.wire import OpenAIGenerate


def events(text):
    """Name and data of each event."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def streamed(openai, **fields):
    """The events of a request whose pictures are drawn."""
    answer = openai.drawn(openai.generate(stream=True, **fields))
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    return events(answer.text)


def test_each_picture_is_an_event(openai):
    """Two pictures are two events, each with a usage of its own, and nothing else."""
    got = streamed(openai, n=2, size="1024x1024", output_format="webp")
    assert [name for name, _ in got] == ["image_generation.completed"] * 2
    assert sorted(data["image_index"] for _, data in got) == [0, 1]
    for name, data in got:
        assert opened(data).format == "WEBP"
        assert data["type"] == name
        assert data["usage"]["output_tokens"] == 1024
        assert {"created_at", "size", "quality", "background", "output_format"} <= set(data)


def test_previews_are_enlarged_and_come_once(openai):
    """A preview has the size and format of the answer; it comes once its share of the work is done, and not again."""
    job_id = openai.abandon(size="1024x1024", user="preview")
    sent = OpenAIGenerate(prompt=PROMPT, stream=True, partial_images=2, output_format="jpeg")
    asked = Asked(route=GENERATIONS, sent=sent, prompt=PROMPT, body_digest="")
    file = io.BytesIO()
    Image.new("RGB", (48, 48), "teal").save(file, "JPEG")

    async def look(core):
        job = await core.database.reading(jobs.find, job_id)
        frames = PictureStream(core, asked, [job]).frames()
        async with contextlib.aclosing(frames):
            await core.live.run(previews.set_preview(job_id, file.getvalue()))
            await core.live.run(job_views.set_progress(job_id, 0.9, fence=1))
            async with asyncio.timeout(60):
                first = events((await anext(frames)).decode())
                await asyncio.to_thread(openai.work, job_id)
                rest = events(b"".join([frame async for frame in frames]).decode())
        return first, rest

    ((name, partial),), rest = run_with_core(openai.api.settings, look)
    assert name == "image_generation.partial_image"
    assert (opened(partial).size, opened(partial).format) == ((1024, 1024), "JPEG")
    assert (partial["partial_image_index"], partial["size"]) == (0, "1024x1024")
    assert [name for name, _ in rest] == ["image_generation.completed"]


def test_edits_have_events_of_their_own(openai):
    """`image_edit.completed`, by a form whose fields are text."""
    data = {"prompt": PROMPT, "stream": "true"}
    answer = openai.drawn(openai.post(EDITS, files={"image": ("a.png", png())}, data=data))
    assert [name for name, _ in events(answer.text)] == ["image_edit.completed"]


def test_a_failure_is_an_event(openai):
    """A withheld picture ends the stream with `error`, whose data has the reason as an answer has it."""
    ((name, data),) = streamed(openai, prompt="nude child")
    assert name == "error"
    assert data["error"]["code"] == "moderation_blocked"
    assert "flagged for" in data["error"]["message"]
