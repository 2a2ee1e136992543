"""An OpenAI-compatible images server on 127.0.0.1: draws plain pictures in the vendor's form, or answers as it is told."""

import base64
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, start_faulty_http

JSON = {"Content-Type": "application/json"}
KEY = "sk-remote-0123456789"
MODELS = ("gpt-image-2", "flux-dev")
"""Models that it lists."""


def png(size: tuple[int, int], colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    """A picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def pictures(*files: bytes) -> Behaviour:
    """An answer with these files."""
    data = [{"b64_json": base64.b64encode(file).decode()} for file in files]
    return answer(200, json.dumps({"created": 1_790_000_000, "data": data}).encode(), JSON)


def at_url(url: str) -> Behaviour:
    """An answer that only names where its picture is."""
    return answer(200, json.dumps({"created": 1_790_000_000, "data": [{"url": url}]}).encode(), JSON)


def refusal(status: int, code: str, message: str = "no", **headers: str) -> Behaviour:
    """An error in the vendor's form."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return answer(status, json.dumps({"error": error}).encode(), JSON | headers)


def draw(exchange: Exchange) -> None:
    """Lists its models, or draws a picture of the size asked for; 401 without the key."""
    asked = exchange.request_read
    if asked.headers.get("Authorization") != f"Bearer {KEY}":
        refusal(401, "invalid_api_key", f"Incorrect API key provided: {asked.headers.get('Authorization')}")(exchange)
        return
    if asked.method == "GET":
        answer(200, json.dumps({"data": [{"id": name} for name in MODELS]}).encode(), JSON)(exchange)
        return
    size = re.search(rb"(\d+)x(\d+)", asked.body)
    pictures(png((int(size[1]), int(size[2]))))(exchange)


@contextmanager
def start_image_engine() -> Iterator[FaultyServer]:
    """Serves on a free port for the length of the block; its base URL ends in /v1."""
    with start_faulty_http(draw) as server:
        yield server
