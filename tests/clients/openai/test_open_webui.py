"""Requests as Open WebUI sends them, byte for byte as aiohttp writes them, and its reading of the answers.

Its router of images, backend/open_webui/routers/images.py, has two: `generations` in JSON and `edits` as a form.
"""

import base64
import json
from collections.abc import Callable

import httpx2
import pytest
from clients.openai.conftest import PROMPT, SOURCES, opened
from PIL import Image
from servers.stack import Stack

BOUNDARY = "3f0cbfd6ea1d4e87a0ef3b1a8d5b6c27"
AGENT = {"User-Agent": "Python/3.11 aiohttp/3.13.2", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}


def text(name: str, value: str) -> bytes:
    """A field of aiohttp's FormData: the type comes before the disposition."""
    head = f'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + value.encode()


def file(name: str, data: bytes) -> bytes:
    head = f'Content-Type: image/png\r\nContent-Disposition: form-data; name="{name}"; filename="image.png"\r\n\r\n'
    return head.encode() + data


def form(*parts: bytes) -> bytes:
    lines = [b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), one) for one in parts]
    return b"".join(lines) + b"--%s--\r\n" % BOUNDARY.encode()


@pytest.fixture
def post(server: Stack, key: str) -> Callable[[str, bytes, str], dict]:
    """Sends a request as it does; it raises for a status of 400 and above, as its session does."""

    def send(path: str, body: bytes, content_type: str) -> dict:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": content_type, **AGENT}
        answer = httpx2.post(f"{server.url}/v1{path}", content=body, headers=headers, timeout=120)
        answer.raise_for_status()
        return answer.json()

    return send


def picture(made: dict, key: str) -> Image.Image:
    """A picture of an answer: fetched with the key where it has a URL, whose type must be an image's, else decoded."""
    if url := made.get("url"):
        answer = httpx2.get(url, headers={"Authorization": f"Bearer {key}"})
        answer.raise_for_status()
        assert answer.headers["content-type"].partition("/")[0] == "image"
        return opened(answer.content)
    assert "," not in made["b64_json"]  # it would take what is before a comma for a type
    return opened(base64.b64decode(made["b64_json"]))


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "gpt-image-1", "n": 1, "size": "512x512"},
        {"model": "gpt-image-1", "n": 2, "size": "auto"},
        {"model": "dall-e-3", "n": 1, "size": "1024x1024", "response_format": "b64_json"},
        {
            "model": "eros",
            "n": 1,
            "size": "1344x768",
            "response_format": "url",
            "quality": "standard",
            "style": "vivid",
        },
    ],
    ids=["default", "auto", "dall-e", "extra parameters"],
)
def test_pictures_are_generated(post: Callable, key: str, fields: dict[str, object]) -> None:
    """Whatever model and size are set; parameters of the operator's own are added at the end."""
    answer = post(
        "/images/generations?api-version=2025-04-01",
        json.dumps({"prompt": PROMPT} | fields).encode(),
        "application/json",
    )
    assert len(answer["data"]) == fields["n"]
    assert {picture(made, key).format for made in answer["data"]} == {"PNG"}


@pytest.mark.parametrize("names", [("image",), ("image[]", "image[]")])
def test_pictures_are_edited(post: Callable, key: str, names: tuple[str, ...]) -> None:
    """One picture as `image`, a list of them as `image[]`, after the fields."""
    texts = {"model": "gpt-image-1", "prompt": PROMPT, "n": "1", "size": "1024x1024", "background": "auto"}
    parts = [text(name, value) for name, value in texts.items()]
    parts += [file(name, data) for name, data in zip(names, SOURCES, strict=False)]
    answer = post("/images/edits", form(*parts), f"multipart/form-data; boundary={BOUNDARY}")
    [made] = answer["data"]
    assert picture(made, key).size == (1024, 1024)
