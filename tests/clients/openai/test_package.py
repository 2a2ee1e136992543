"""The `openai` package of Python, unmodified, against the real server: pictures and models."""

import base64
from collections.abc import Callable

import httpx2
import openai
import pytest
from clients.openai.conftest import PROMPT, opened


def test_a_picture_is_generated(client: openai.OpenAI, key: str, charged: Callable[[str], int]) -> None:
    """The answer has the file as asked, its format and size, the quality and the usage of the request; it costs one picture."""
    before = charged(key)
    answer = client.images.generate(
        prompt=PROMPT, model="gpt-image-1", size="1024x1024", quality="low", output_format="webp", output_compression=80
    )

    [made] = answer.data
    picture = opened(base64.b64decode(made.b64_json))
    assert (picture.format, picture.size) == ("WEBP", (1024, 1024))
    assert made.url is None
    assert (answer.output_format, answer.size, answer.quality) == ("webp", "1024x1024", "low")
    assert answer.usage.output_tokens == 1024 * 1024 // 32**2
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer._request_id
    assert charged(key) == before + 1


def test_four_pictures_are_generated_at_once(client: openai.OpenAI, key: str, charged: Callable[[str], int]) -> None:
    """`n` gives as many pictures, no two alike, and each is charged; a size that the model lacks becomes its nearest."""
    before = charged(key)
    answer = client.images.generate(prompt=PROMPT, n=4, size="1536x1024", extra_body={"seed": 7})

    assert len({made.b64_json for made in answer.data}) == len(answer.data) == 4
    sizes = {"x".join(map(str, opened(base64.b64decode(made.b64_json)).size)) for made in answer.data}
    assert sizes == {answer.size}
    assert charged(key) == before + 4


def test_a_url_is_answered_where_it_is_asked_for(client: openai.OpenAI) -> None:
    """Anybody can fetch it without the key, and it is the picture."""
    [made] = client.images.generate(prompt=PROMPT, response_format="url", size="512x512").data
    assert made.b64_json is None
    assert opened(httpx2.get(made.url).content).format == "PNG"


def test_models_are_listed(client: openai.OpenAI) -> None:
    """The list has the configured models in their order, each can be asked for by its id, and an unknown one is not found."""
    listed = list(client.models.list())
    assert "eros" in [model.id for model in listed]
    assert {model.object for model in listed} == {"model"}
    assert client.models.retrieve("eros").id == "eros"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("nobody/has-this")
    assert refused.value.code == "model_not_found"
