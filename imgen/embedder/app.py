"""Embedding service: `POST /v1/embeddings` in OpenAI's protocol over the embedded sentence model, see docs/cache.md."""

import asyncio
import base64
import hmac
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, Endpoint, json_answer, read_body, sent_key
from imgen.domain.errors import InvalidKey, TooLarge, Unauthorized
from imgen.embedder.minilm import Matrix, MiniLM, Unreadable
from imgen.settings import EMBEDDED_MODEL
from imgen.threads import EMBEDDING

MAX_TEXTS = 256
MAX_BODY_BYTES = 1024 * 1024
AT_ONCE = 2
"""Texts that are embedded at the same time, each on one core."""


class _Asked(Struct):
    input: str | list[str]
    encoding_format: str = "float"


_decode = msgspec.json.Decoder(_Asked).decode


def create_app(model: MiniLM, *, api_key: str = "") -> Starlette:
    """Makes the service; if it has a key, requests must send it as a bearer token."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def vector_of(text: str) -> Matrix:
        async with slots:
            return await EMBEDDING.run(model.vector, text)

    async def embed(asked: _Asked) -> dict[str, Any]:
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        if not 0 < len(texts) <= MAX_TEXTS:
            raise ValueError(f"input holds {len(texts)} texts, where 1 to {MAX_TEXTS} are taken")
        tokens = sum(map(model.tokens, texts))  # before any work: a text that is too long is refused at once
        vectors = await asyncio.gather(*map(vector_of, texts))
        data = [
            {"object": "embedding", "index": index, "embedding": _written(vector, asked.encoding_format)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": EMBEDDED_MODEL, "data": data, "usage": usage}

    async def embeddings(scope: Scope, receive: Receive) -> Answer:
        try:
            if api_key and not hmac.compare_digest(sent_key(scope).encode(), api_key.encode()):
                raise InvalidKey
            return json_answer(await embed(_decode(await read_body(scope, receive, max_bytes=MAX_BODY_BYTES))))
        except Unauthorized as exc:
            return _refused(401, exc)
        except TooLarge as exc:
            return _refused(413, exc)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as exc:  # Unreadable is one
            return _refused(400, exc)

    async def models(_scope: Scope, _receive: Receive) -> Answer:
        return json_answer({"object": "list", "data": [{"id": EMBEDDED_MODEL, "object": "model", "owned_by": "imgen"}]})

    return Starlette(
        routes=[
            Route("/v1/embeddings", Endpoint(embeddings), methods=["POST"]),
            Route("/v1/models", Endpoint(models), methods=["GET"]),
        ]
    )


def _written(vector: Matrix, encoding_format: str) -> list[float] | str:
    if encoding_format == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers


def _refused(status: int, exc: Exception) -> Answer:
    kind = "unreadable" if isinstance(exc, Unreadable) else "invalid_request"
    return json_answer({"error": {"message": str(exc), "type": "invalid_request_error", "code": kind}}, status)
