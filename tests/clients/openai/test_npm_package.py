"""The `openai` package of npm, unmodified, against the real server: every call and every class of errors, in one run of a script."""

import base64
import json
from collections.abc import Callable

import httpx2
import pytest
from clients.openai.conftest import MASK, SOURCES, opened
from PIL import Image
from servers.node import run_node
from servers.stack import Stack


@pytest.fixture(scope="module")
def ran(server: Stack, new_key: Callable[..., str]) -> dict[str, dict]:
    """The outcomes of the script."""
    sent = {
        "url": server.url,
        "key": new_key(),
        "oneKey": new_key("one"),
        "slowKey": new_key("slow"),
        "sources": [base64.b64encode(source).decode() for source in SOURCES],
        "mask": base64.b64encode(MASK).decode(),
    }
    return json.loads(run_node("images.mjs", json.dumps(sent)))


@pytest.fixture
def outcomes(ran: dict[str, dict]) -> dict:
    return ran["outcomes"]


def pictures(answer: dict) -> list[Image.Image]:
    """The pictures of an answer in base64."""
    return [opened(base64.b64decode(made["b64_json"])) for made in answer["data"]]


def test_pictures_are_generated(outcomes: dict) -> None:
    """One as asked, four that differ, and one by a URL that needs no key."""
    [picture] = pictures(outcomes["generated"])
    assert (picture.format, picture.size) == ("WEBP", (1024, 1024))
    assert outcomes["generated"]["size"] == "1024x1024"
    assert len({picture.tobytes() for picture in pictures(outcomes["several"])}) == 4
    [made] = outcomes["url"]["data"]
    assert opened(httpx2.get(made["url"]).content).format == "PNG"


def test_pictures_are_edited(outcomes: dict) -> None:
    """From one picture with a mask, from three, and variations without words."""
    assert [len(pictures(outcomes[name])) for name in ("one", "three", "variations")] == [1, 1, 2]
    [picture] = pictures(outcomes["one"])
    corner = picture.convert("RGB").getpixel((picture.width // 20, picture.height // 20))
    assert max(abs(a - b) for a, b in zip(corner, (200, 30, 30), strict=True)) < 12


@pytest.mark.parametrize(("name", "kind"), [("streamed", "image_generation"), ("streamedEdit", "image_edit")])
def test_pictures_are_streamed(outcomes: dict, name: str, kind: str) -> None:
    """Partial pictures come first where they come, then the finished one with its usage."""
    *partial, completed = outcomes[name]
    assert completed["type"] == f"{kind}.completed"
    assert completed["usage"]["output_tokens"] > 0
    assert {event["type"] for event in partial} <= {f"{kind}.partial_image"}
    for event in (*partial, completed):
        picture = opened(base64.b64decode(event["b64_json"]))
        assert (picture.format.lower(), "x".join(map(str, picture.size))) == (event["output_format"], event["size"])


def test_models_are_listed(outcomes: dict) -> None:
    """The list and one of it."""
    assert "eros" in outcomes["models"]
    assert outcomes["model"] == "eros"


@pytest.mark.parametrize(
    ("name", "kind", "code", "tries"),
    [
        ("key", "AuthenticationError", "invalid_api_key", 1),
        ("model", "NotFoundError", "model_not_found", 1),
        ("blocked", "BadRequestError", "moderation_blocked", 1),
        ("quota", "RateLimitError", "insufficient_quota", 1),
        ("rate", "RateLimitError", "rate_limit_exceeded", 3),
    ],
)
def test_failures_are_the_packages_own_classes(
    ran: dict[str, dict], name: str, kind: str, code: str, tries: int
) -> None:
    """Each has its class, code and request id; it is tried again where that helps."""
    failure = ran["failures"][name]
    assert (failure["name"], failure["code"], failure["hasRequest"], failure["tries"]) == (kind, code, True, tries)


def test_a_wrong_value_is_named(ran: dict[str, dict]) -> None:
    """The error has the parameter."""
    failure = ran["failures"]["value"]
    assert (failure["name"], failure["status"], failure["param"]) == ("BadRequestError", 400, "n")
