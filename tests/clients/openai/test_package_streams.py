"""The `openai` package of Python, unmodified, against the real server: streams, and the asynchronous client."""

import asyncio
import base64

import openai
from clients.openai.conftest import PROMPT, SOURCES, opened
from servers.stack import Stack


def test_a_stream_ends_with_the_picture(client: openai.OpenAI) -> None:
    """Partial pictures, of which two are asked for, have its size and format; then it comes itself, with the usage."""
    with client.images.generate(
        prompt=PROMPT, stream=True, partial_images=2, size="1024x1024", output_format="jpeg"
    ) as events:
        seen = list(events)

    *partial, completed = seen
    assert completed.type == "image_generation.completed"
    assert {event.type for event in partial} <= {"image_generation.partial_image"}
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert len(partial) <= 2
    for event in seen:
        picture = opened(base64.b64decode(event.b64_json))
        assert (picture.format, picture.size) == ("JPEG", (1024, 1024))
        assert (event.output_format, event.size) == ("jpeg", "1024x1024")
    assert completed.usage.output_tokens > 0


def test_an_edit_is_streamed(client: openai.OpenAI) -> None:
    """Its events have the names of edits; a multipart request asks for them by text."""
    with client.images.edit(image=SOURCES[:3], prompt=PROMPT, stream=True, partial_images=0) as events:
        [completed] = list(events)
    assert completed.type == "image_edit.completed"
    assert opened(base64.b64decode(completed.b64_json)).format == "PNG"


def test_the_asynchronous_client_does_the_same(server: Stack, key: str) -> None:
    """Generate, edit, stream and models at once over one client."""

    async def main() -> tuple[object, object, list, object]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key) as client:

            async def streamed() -> list:
                stream = await client.images.generate(prompt=PROMPT, stream=True, partial_images=1)
                return [event async for event in stream]

            return await asyncio.gather(
                client.images.generate(prompt=PROMPT, n=2),
                client.images.edit(image=("source", SOURCES[0]), prompt=PROMPT),
                streamed(),
                client.models.retrieve("eros"),
            )

    made, edited, events, model = asyncio.run(main())
    assert (len(made.data), len(edited.data), model.id) == (2, 1, "eros")
    assert events[-1].type == "image_generation.completed"
