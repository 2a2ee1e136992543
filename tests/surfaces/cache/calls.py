"""Requests for cached pictures."""

import base64
import io

import httpx2
from PIL import Image
from servers.api import start_api

from imgen.provenance.inspection import inspect_picture

MISS = (404, {"error": "No cached result found"})


def mark_file():
    """A green square as a data URI."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 200, 0)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


MARK = mark_file()


def ask(stack, prompt, key=None, **fields):
    """Status and body of a `generate` that wants a cached picture and no other."""
    body = {"action": "generate", "prompt": prompt, "use_cache": True, "cache_only": True} | fields
    response = stack.post(body, key=key)
    return response.status_code, response.json()


def keep(stack, prompt, *, api=None, **fields):
    """Makes a picture that the cache keeps, asked of another API process where one is named; its last answer."""
    response = (api or stack).post({"action": "generate", "prompt": prompt, "use_cache": True} | fields, key=stack.key)
    assert response.status_code == 200, response.text
    made = stack.wait(response.json())
    assert made["status"] == "COMPLETED"
    return made


def start_beside(stack, name, **settings):
    """Another API process over the stack's data folder, with settings of its own."""
    return start_api(stack.data, environ={f"IMGEN_{key}": str(value) for key, value in settings.items()}, name=name)


def hit(stack, prompt, **fields):
    """The last answer of a request that must be a hit."""
    status, body = ask(stack, prompt, **fields)
    assert status == 200, body
    assert body["id"].startswith("cache_")
    assert body["cache"] is True
    return stack.wait(body)


def picture(stack, ended):
    """The finished file, its pixels, and what it says of itself."""
    file = httpx2.get(ended["meta"]["images"][0]["url"]).content
    anchors = (stack.data / "credentials" / "anchor.pem").read_bytes()
    return Image.open(io.BytesIO(file)).convert("RGB"), inspect_picture(file, anchors=anchors)
