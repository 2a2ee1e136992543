"""A Workers AI server on 127.0.0.1: checks requests by the schemas that Cloudflare publishes, draws plain pictures, or fails as told.

Schemas: cloudflare-docs, src/content/workers-ai-models. Errors: its table of Workers AI's errors.
"""

import base64
import email
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator
from PIL import Image
from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, start_faulty_http
from servers.image_engine import JSON, png

KEY = "cf-token-0123456789"
ACCOUNT = "0" * 32
BASE = f"/client/v4/accounts/{ACCOUNT}"
SCHNELL = "@cf/black-forest-labs/flux-1-schnell"
FLUX2 = "@cf/black-forest-labs/flux-2-dev"
KLEIN = "@cf/black-forest-labs/flux-2-klein-4b"
LUCID = "@cf/leonardo/lucid-origin"
LIGHTNING = "@cf/bytedance/stable-diffusion-xl-lightning"
INPAINTING = "@cf/runwayml/stable-diffusion-v1-5-inpainting"

PROMPT = {"type": "string", "minLength": 1}
BYTES = {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 255}}
SIDE = {"type": "integer", "minimum": 256, "maximum": 2048}
STABLE_DIFFUSION = {
    "prompt": PROMPT,
    "negative_prompt": {"type": "string"},
    "height": SIDE,
    "width": SIDE,
    "image": BYTES,
    "image_b64": {"type": "string"},
    "mask": BYTES,
    "num_steps": {"type": "integer", "maximum": 20},
    "strength": {"type": "number"},
    "guidance": {"type": "number"},
    "seed": {"type": "integer"},
}
SCHEMAS = {
    SCHNELL: {
        "properties": {"prompt": PROMPT | {"maxLength": 2048}, "steps": {"type": "integer", "maximum": 8}},
        "additionalProperties": False,
    },
    LUCID: {
        "properties": {
            "prompt": PROMPT,
            "guidance": {"type": "number", "minimum": 0, "maximum": 10},
            "seed": {"type": "integer", "minimum": 0},
            "height": {"type": "integer", "minimum": 0, "maximum": 2500},
            "width": {"type": "integer", "minimum": 0, "maximum": 2500},
            "num_steps": {"type": "integer", "minimum": 1, "maximum": 40},
        }
    },
    LIGHTNING: {"properties": STABLE_DIFFUSION},
    INPAINTING: {"properties": STABLE_DIFFUSION},
}
FORMS = (FLUX2, KLEIN)
"""Models that take forms alone."""


def failure(status: int, code: int, message: str, **headers: str) -> Behaviour:
    """An error in the vendor's envelope."""
    body = {"errors": [{"message": message, "code": code}], "success": False, "result": {}, "messages": []}
    return answer(status, json.dumps(body).encode(), JSON | headers)


def enveloped(result: object) -> Behaviour:
    """A result in the vendor's envelope."""
    return answer(200, json.dumps({"result": result, "success": True, "errors": [], "messages": []}).encode(), JSON)


def in_base64(file: bytes) -> Behaviour:
    return enveloped({"image": base64.b64encode(file).decode()})


def serve(exchange: Exchange) -> None:
    """Answers as the API does: with a file's bytes for Stable Diffusion, else with base64 in JSON."""
    asked = exchange.request_read
    path = unquote(urlsplit(asked.path).path)
    model = path.removeprefix(f"{BASE}/ai/run/")
    if asked.headers.get("Authorization") != f"Bearer {KEY}":
        failure(401, 10000, f"Authentication error: {asked.headers.get('Authorization')}")(exchange)
    elif path == f"{BASE}/ai/models/search":
        is_first = parse_qs(urlsplit(asked.path).query).get("page", ["1"]) == ["1"]
        names = (*FORMS, *SCHEMAS) if is_first else ()
        enveloped([{"name": name, "task": {"name": "Text-to-Image"}} for name in names])(exchange)
    elif model in FORMS:
        _draw_form(exchange, model)
    elif model in SCHEMAS:
        _draw_json(exchange, model)
    elif path.startswith(BASE):
        failure(400, 5007, f"No such model {model} or task")(exchange)
    else:
        failure(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")(exchange)


def _draw_json(exchange: Exchange, model: str) -> None:
    asked = exchange.request_read
    if not asked.headers.get("Content-Type", "").startswith("application/json"):
        failure(400, 3003, "Request is missing headers or body: content-type")(exchange)
        return
    fields = json.loads(asked.body)
    schema = {"type": "object", "required": ["prompt"]} | SCHEMAS[model]
    if problems := [problem.message for problem in Draft202012Validator(schema).iter_errors(fields)]:
        failure(400, 5006, f"Error: oneOf at '/' not met, 0 matches: {problems[0]}")(exchange)
        return
    exchange.server.paid.append({"model": model} | fields)
    drawn = png((fields.get("width", 1024), fields.get("height", 1024)))
    if SCHEMAS[model]["properties"] is STABLE_DIFFUSION:
        answer(200, drawn, {"Content-Type": "image/png"})(exchange)
    else:
        in_base64(drawn)(exchange)


def _draw_form(exchange: Exchange, model: str) -> None:
    asked = exchange.request_read
    kind = asked.headers.get("Content-Type", "")
    if not kind.startswith("multipart/form-data"):
        failure(400, 5006, "Error: required properties at '/' are 'multipart'")(exchange)
        return
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + asked.body)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    fields: dict[str, object] = {
        name: part.get_payload(decode=True) if part.get_filename() else part.get_payload(decode=True).decode()
        for name, part in parts.items()
    }
    reference = fields.get("input_image_0")
    if reference and max(Image.open(io.BytesIO(reference)).size) >= 512:
        failure(400, 5006, "Error: input images must be smaller than 512x512")(exchange)
        return
    exchange.server.paid.append({"model": model} | fields)
    in_base64(png((int(fields["width"]), int(fields["height"]))))(exchange)


@contextmanager
def start_workers_ai() -> Iterator[FaultyServer]:
    """Serves on a free port for the length of the block; its base URL ends in BASE."""
    with start_faulty_http(serve) as server:
        server.paid = []
        yield server
