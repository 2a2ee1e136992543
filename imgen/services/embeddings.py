"""Sentences to vectors, through an OpenAI-compatible endpoint: a configured one, or `imgen embedder` on its socket.

The model is never in this process: it would take 140 MB in each and 12 ms of its interpreter's time a prompt.
"""

import array
import asyncio
import math
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
from msgspec import Struct

from imgen.domain.breaker import Breaker
from imgen.domain.errors import ConfigurationError
from imgen.settings import EMBEDDED_MODEL
from imgen.settings.sections import Cache

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 1024 * 1024
MAX_NUMBERS = 8192
SHORTEST = 1e-6
ABOUT_THE_TEXT = frozenset({400, 413, 422})
"""Statuses with which servers refuse what is too long or not theirs to read."""

_MISSHAPEN = (LookupError, RecursionError, ValueError)
"""What comes of an answer that holds something else."""


class _Embedding(Struct):
    embedding: list[float]


class _Answer(Struct):
    data: list[_Embedding]


_decode = msgspec.json.Decoder(_Answer).decode


class Embedder:
    """One endpoint, bounded in time and size, and left alone while it is dead."""

    def __init__(self, settings: Cache, socket: Path) -> None:
        """`socket` is where the embedded model answers; it is asked where no base URL is configured.

        Raises:
            ConfigurationError: a base URL without a model.
        """
        if settings.base_url and not settings.model:
            raise ConfigurationError("[cache] base_url is set but model is not")
        self.name = settings.model if settings.base_url else EMBEDDED_MODEL
        self._settings = settings
        self._socket = socket
        self._client: AsyncOpenAI | None = None
        self._breaker = Breaker(pause_s=settings.pause_s)

    async def vector(self, text: str) -> bytes | None:
        """Little-endian float32 of length 1; None: the endpoint does not answer, or not with a vector."""
        if not self._breaker.allows():
            return None
        openai = await asyncio.to_thread(import_module, "openai")  # half a second and 12 MB at first use
        httpx2 = import_module("httpx2")
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                vector = _unit(_decode(await self._ask(text)).data[0].embedding)
        except (openai.OpenAIError, httpx2.HTTPError, OSError, msgspec.MsgspecError, *_MISSHAPEN) as exc:
            # A text it refuses says nothing of its health
            if getattr(exc, "status_code", None) not in ABOUT_THE_TEXT:
                self._breaker.failed()
            log.warning("embedder failed", reason=type(exc).__name__, status=getattr(exc, "status_code", None))
            return None
        self._breaker.succeeded()
        return vector

    async def close(self) -> None:
        """Closes the client's connections."""
        if self._client is not None:
            await self._client.close()

    async def _ask(self, text: str) -> bytes:
        body = bytearray()
        create = self._open().embeddings.with_streaming_response.create
        async with create(model=self.name, input=text, encoding_format="float") as response:
            async for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ValueError("an answer without end")
        return bytes(body)

    def _open(self) -> "AsyncOpenAI":
        """The client, made at first use."""
        if self._client is None:
            import httpx2
            from openai import AsyncOpenAI

            configured = self._settings
            local = None if configured.base_url else httpx2.AsyncHTTPTransport(uds=str(self._socket))
            self._client = AsyncOpenAI(
                base_url=configured.base_url or "http://embedder/v1",
                api_key=configured.api_key.get_secret_value() or "none",
                timeout=configured.timeout_s,
                max_retries=0,
                http_client=None if local is None else httpx2.AsyncClient(transport=local),
            )
        return self._client


def _unit(numbers: list[float]) -> bytes:
    """Raises ValueError where there is no direction in them."""
    length = math.hypot(*numbers)
    if len(numbers) > MAX_NUMBERS or not math.isfinite(length) or length < SHORTEST:
        raise ValueError("no vector")
    unit = array.array("f", (number / length for number in numbers))
    if sys.byteorder == "big":
        unit.byteswap()
    return unit.tobytes()
