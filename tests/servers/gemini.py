"""A server of Google's Gemini API on 127.0.0.1: draws plain pictures by `generateContent`, refuses them, or fails as told.

Forms: ai.google.dev/api, generateContent; errors: google.rpc.Status in JSON.
"""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, start_faulty_http
from servers.image_engine import JSON, png

KEY = "AIza-remote-0123456789"
MODELS = ("gemini-3.1-flash-image", "gemini-3-pro-image")
SIZES = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
"""Aspect ratio → size of a picture with `imageSize` 1K."""
CONFIG = {"responseModalities", "imageConfig", "seed", "temperature", "candidateCount", "topP", "topK"}


def candidate(*parts: dict[str, object], reason: str = "STOP", message: str = "") -> Behaviour:
    """An answer with these parts."""
    found = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}
    body = {"candidates": [found | ({"finishMessage": message} if message else {})], "modelVersion": MODELS[0]}
    return answer(200, json.dumps(body | {"usageMetadata": {"totalTokenCount": 1300}}).encode(), JSON)


def picture(file: bytes, **further: object) -> dict[str, object]:
    """A part with a file."""
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(file).decode()}} | further


def finished(reason: str, message: str = "") -> Behaviour:
    """A candidate without content."""
    found = {"finishReason": reason, "index": 0} | ({"finishMessage": message} if message else {})
    return answer(200, json.dumps({"candidates": [found], "usageMetadata": {}}).encode(), JSON)


def blocked(reason: str) -> Behaviour:
    """A prompt that is not drawn at all."""
    return answer(200, json.dumps({"promptFeedback": {"blockReason": reason}, "usageMetadata": {}}).encode(), JSON)


def failure(code: int, status: str, message: str, *details: dict[str, object]) -> Behaviour:
    """An error in the vendor's form."""
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return answer(code, json.dumps({"error": error}).encode(), JSON)


def retry_info(delay: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def error_info(reason: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def serve(exchange: Exchange) -> None:
    """Answers as the API does."""
    asked = exchange.request_read
    path = urlsplit(asked.path).path
    found = re.fullmatch(r"/v1beta/models/([^/:]+):generateContent", path)
    if asked.headers.get("x-goog-api-key") != KEY:
        failure(400, "INVALID_ARGUMENT", "API key not valid.", error_info("API_KEY_INVALID"))(exchange)
    elif path == "/v1beta/models":
        models = [{"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]} for name in MODELS]
        other = {"name": "models/text-embedding", "supportedGenerationMethods": ["embedContent"]}
        answer(200, json.dumps({"models": [*models, other]}).encode(), JSON)(exchange)
    elif found is None or found[1] not in MODELS:
        failure(404, "NOT_FOUND", f"{path} is not found for API version v1beta")(exchange)
    else:
        _draw(exchange)


def _draw(exchange: Exchange) -> None:
    body = json.loads(exchange.request_read.body)
    config = body.get("generationConfig", {})
    image = config.get("imageConfig", {})
    unknown = set(config) - CONFIG | set(image) - {"aspectRatio", "imageSize"}
    size = SIZES.get(image.get("aspectRatio", "1:1"))
    if unknown or size is None or config.get("seed", 0) >= 2**31:
        failure(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {sorted(unknown)}")(exchange)
        return
    exchange.server.paid.append(body)
    if config.get("responseModalities") != ["IMAGE"]:
        candidate({"text": "Here is a red coat."}, picture(png(size)))(exchange)
        return
    candidate(picture(png(size)))(exchange)


@contextmanager
def start_gemini() -> Iterator[FaultyServer]:
    """Serves on a free port for the length of the block."""
    with start_faulty_http(serve) as server:
        server.paid = []
        yield server
