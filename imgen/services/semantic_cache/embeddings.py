"""Embeddings of sentences, from an OpenAI-compatible endpoint: a configured one, or `imgen embedder` on its socket.

The model runs in another process: here it would take 140 MB in each API process and 12 ms of the interpreter for a prompt.
"""

import array
import math
import sys
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from imgen.domain.errors import ConfigurationError, UpstreamPaused, UpstreamUnavailable
from imgen.settings import EMBEDDED_MODEL
from imgen.settings.sections import Cache
from imgen.upstream.openai_client import MALFORMED, Limits, OpenAIClient

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 1024 * 1024
MAX_NUMBERS = 8192
SHORTEST = 1e-6
ABOUT_THE_TEXT = frozenset({400, 413, 422})
"""Statuses with which servers refuse a text that is too long or malformed; they are no failures of the server."""


class _Embedding(Struct):
    embedding: list[float]


class _Answer(Struct):
    data: list[_Embedding]


_decode = msgspec.json.Decoder(_Answer).decode


class Embedder:
    """Client of one embeddings endpoint."""

    def __init__(self, settings: Cache, socket: Path) -> None:
        """Takes the socket of the built-in model, used if no base URL is configured.

        Raises:
            ConfigurationError: a base URL without a model.
        """
        if settings.base_url and not settings.model:
            raise ConfigurationError("[cache] base_url is set but model is not")
        self.name = settings.model if settings.base_url else EMBEDDED_MODEL
        limits = Limits(total_s=settings.timeout_s, max_bytes=MAX_ANSWER_BYTES, harmless=ABOUT_THE_TEXT)
        if settings.base_url:
            self._client = OpenAIClient(settings, limits)
        else:
            local = settings.model_copy(update={"base_url": "http://embedder/v1"})
            self._client = OpenAIClient(local, limits, socket=socket)

    async def vector(self, text: str) -> bytes | None:
        """Returns the vector of a text, little-endian float32 of length 1; None: no usable answer."""
        try:
            body = await self._client.ask(
                lambda client: client.embeddings.with_streaming_response.create(
                    model=self.name, input=text, encoding_format="float"
                )
            )
            vector = _unit(_decode(body).data[0].embedding)
        except UpstreamPaused:
            return None
        except UpstreamUnavailable as exc:
            log.warning("embedder failed", reason=str(exc), status=exc.status)
            return None
        except MALFORMED as exc:
            self._client.breaker.failed()
            log.warning("embedder failed", reason=type(exc).__name__, status=None)
            return None
        self._client.breaker.succeeded()
        return vector

    async def close(self) -> None:
        """Closes the client's connections."""
        await self._client.close()


def _unit(numbers: list[float]) -> bytes:
    """Scales a vector to length 1. Raises ValueError if it has too many numbers, or a length near 0 or infinite."""
    length = math.hypot(*numbers)
    if len(numbers) > MAX_NUMBERS or not math.isfinite(length) or length < SHORTEST:
        raise ValueError("no vector")
    unit = array.array("f", (number / length for number in numbers))
    if sys.byteorder == "big":
        unit.byteswap()
    return unit.tobytes()
