"""Parts of answers that several tests of OpenAI's dialect look at."""

import base64
import io

import httpx2
from PIL import Image


def opened(picture: dict) -> Image.Image:
    """A picture of an answer."""
    return Image.open(io.BytesIO(base64.b64decode(picture["b64_json"], validate=True)))


def failure(answer: httpx2.Response) -> tuple[int, str | None, str | None]:
    """Status, code and field of a failure, whose form is checked."""
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"]
    return answer.status_code, error["code"], error["param"]
