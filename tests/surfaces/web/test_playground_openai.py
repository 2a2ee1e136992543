"""The playground's request in the words of OpenAI's images, without a browser."""

import pytest

from imgen.surfaces.web.playground_openai import openai_request
from imgen.surfaces.web.snippets import File

PLAIN = {"prompt": "a red coat", "model": "eros", "format": "png"}
BODY = PLAIN | {"output_format": "png", "response_format": "url"}
del BODY["format"]


@pytest.mark.parametrize(
    ("fields", "body", "unsaid"),
    [
        ({}, {}, ()),
        ({"width": 1024, "height": 768, "quality": 80, "n": 2, "seed": 7, "format": "webp"},
         {"size": "1024x768", "output_compression": 80, "n": 2, "seed": 7, "output_format": "webp"}, ()),
        ({"prompt": "@aya red coat, -hat", "negative": "rain"},
         {"prompt": "red coat", "negative_prompt": "hat, rain"}, ("character @aya",)),
        ({"style": "cinematic", "steps": 9, "seed": "x", "upscale": 2, "image": File(name="a.png")}, {},
         ("style", "seed", "source (pictures are changed by forms, at /v1/images/edits)", "steps", "enlargement")),
    ],
    ids=lambda value: None if isinstance(value, tuple) else ",".join(value),
)  # fmt: skip
def test_a_request_is_said_as_far_as_it_goes(core, fields, body, unsaid):
    """Every field in OpenAI's own name and form, the rest told in words."""

    async def work(opened):
        said = openai_request(opened, PLAIN | fields)
        assert (dict(said.fields), said.unsaid) == (BODY | body, unsaid)

    core(work)
