"""LiteLLM's proxy in front of the real server: its users get pictures, edits and refusals as from OpenAI."""

import base64
from collections.abc import Callable, Iterator

import openai
import pytest
from clients.openai.conftest import BLOCKED_PROMPT, PROMPT, SOURCES, opened
from servers.litellm import MASTER_KEY, start_litellm
from servers.stack import Stack

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def behind(server: Stack, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A client of the proxy, which has the key of the server."""
    with (
        start_litellm(tmp_path_factory.mktemp("litellm"), server.url, key) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key=MASTER_KEY, max_retries=0) as client,
    ):
        yield client


@pytest.mark.parametrize("model", ["pictures", "own"])
def test_pictures_are_generated(behind: openai.OpenAI, key: str, charged: Callable[[str], int], model: str) -> None:
    """`/v1/images/generations` of the proxy gives the server's pictures, as many as asked for, each charged once."""
    before = charged(key)
    answer = behind.images.generate(model=model, prompt=PROMPT, n=2, size="1024x1024", quality="low")
    pictures = [opened(base64.b64decode(made.b64_json)) for made in answer.data]
    assert [picture.size for picture in pictures] == [(1024, 1024)] * 2
    assert charged(key) == before + 2


def test_a_url_passes(behind: openai.OpenAI) -> None:
    """A signed URL comes through unchanged."""
    [made] = behind.images.generate(model="by-url", prompt=PROMPT, response_format="url").data
    assert made.url.startswith("http")


def test_a_picture_is_edited(behind: openai.OpenAI) -> None:
    """The proxy's own multipart request is understood."""
    [made] = behind.images.edit(model="pictures", prompt=PROMPT, image=("source.png", SOURCES[0], "image/png")).data
    assert opened(base64.b64decode(made.b64_json)).format == "PNG"


def test_a_blocked_prompt_is_refused(behind: openai.OpenAI) -> None:
    """The proxy passes the refusal on with its status and words."""
    with pytest.raises(openai.BadRequestError, match="rejected by the safety system"):
        behind.images.generate(model="pictures", prompt=BLOCKED_PROMPT)
