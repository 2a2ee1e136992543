"""Failures reach users of the `openai` package as its own exceptions, and it tries again where that helps."""

from collections.abc import Callable

import httpx2
import openai
import pytest
from clients.openai.conftest import BLOCKED_PROMPT, PROMPT, SOURCES
from servers.stack import Stack


class Counted:
    """A client whose tries are counted; it waits a millisecond where the server asks it to wait."""

    def __init__(self, server: Stack, key: str) -> None:
        self.tries = 0
        hooks = {"response": [self._see]}
        self.client = openai.OpenAI(
            base_url=f"{server.url}/v1", api_key=key, http_client=httpx2.Client(event_hooks=hooks, timeout=60)
        )

    def _see(self, answer: httpx2.Response) -> None:
        self.tries += 1
        if "retry-after" in answer.headers:
            answer.headers["retry-after-ms"] = "1"

    def refusal(self, kind: type[openai.APIStatusError], **fields: object) -> openai.APIStatusError:
        """The failure of a request, which must be of this class; what it says is checked for its form."""
        with self.client, pytest.raises(kind) as refused:
            self.client.images.generate(**{"prompt": PROMPT, **fields})
        error = refused.value
        assert type(error) is kind
        assert error.body["message"]
        assert error.type
        assert error.request_id
        return error


def test_a_wrong_key(server: Stack) -> None:
    """An unknown key is an AuthenticationError, at once."""
    counted = Counted(server, "imgen_" + "0" * 64)
    assert counted.refusal(openai.AuthenticationError).code == "invalid_api_key"
    assert counted.tries == 1


def test_an_unknown_model(server: Stack, key: str) -> None:
    """A model that nobody has is a NotFoundError with the code that libraries look for."""
    counted = Counted(server, key)
    assert counted.refusal(openai.NotFoundError, model="nobody/has-this").code == "model_not_found"
    assert counted.tries == 1


def test_a_blocked_prompt(server: Stack, key: str, charged: Callable[[str], int]) -> None:
    """It is a BadRequestError that says so, is not tried again, and costs nothing."""
    counted, before = Counted(server, key), charged(key)
    assert counted.refusal(openai.BadRequestError, prompt=BLOCKED_PROMPT).code == "moderation_blocked"
    assert (counted.tries, charged(key)) == (1, before)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"n": 11}, "n"),
        ({"size": "large"}, "size"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"partial_images": 4, "stream": True}, "partial_images"),
        ({"background": "transparent"}, "background"),
        ({"extra_body": {"seed": -1}}, "seed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_value(server: Stack, key: str, fields: dict[str, object], param: str) -> None:
    """It is a BadRequestError that names the parameter."""
    counted = Counted(server, key)
    assert counted.refusal(openai.BadRequestError, **fields).param == param
    assert counted.tries == 1


def test_a_file_that_is_no_picture(client: openai.OpenAI) -> None:
    """An edit of it is a BadRequestError that names the field."""
    for given, param in (({"image": b"hello"}, "image"), ({"image": SOURCES[0], "mask": b"hello"}, "mask")):
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.edit(prompt=PROMPT, **given)
        assert refused.value.param == param


def test_a_spent_quota_is_not_tried_again(server: Stack, new_key: Callable[..., str]) -> None:
    """After the month's only picture it is a RateLimitError that the package does not try again."""
    key = new_key("one")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key) as client:
        client.images.generate(prompt=PROMPT)
    counted = Counted(server, key)
    assert counted.refusal(openai.RateLimitError).code == "insufficient_quota"
    assert counted.tries == 1


def test_a_rate_is_tried_again(server: Stack, new_key: Callable[..., str]) -> None:
    """A request too fast is a RateLimitError after the package's two further tries."""
    key = new_key("slow")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key) as client:
        for _ in range(2):
            client.models.list()
    counted = Counted(server, key)
    assert counted.refusal(openai.RateLimitError).code == "rate_limit_exceeded"
    assert counted.tries == 3


def test_a_stream_that_is_refused(server: Stack, key: str) -> None:
    """Failures before the stream begins are the same exceptions as without one."""
    counted = Counted(server, key)
    assert counted.refusal(openai.NotFoundError, model="nobody/has-this", stream=True).code == "model_not_found"


def test_a_stream_of_a_blocked_picture(client: openai.OpenAI) -> None:
    """It ends with an event that the package raises; no picture comes before."""
    events = client.images.generate(prompt=BLOCKED_PROMPT, stream=True, partial_images=3)
    with pytest.raises(openai.APIError) as failed:
        next(events)
    assert failed.value.code == "moderation_blocked"
