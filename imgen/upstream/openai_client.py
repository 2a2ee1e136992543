"""Clients of an OpenAI-compatible endpoint, for event loops and threads: limits of time, size and tries, a circuit breaker.

The library is imported at first use: it takes half a second and 12 MB, which an installation without such endpoints saves.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from imgen.domain.circuit_breaker import CircuitBreaker
from imgen.domain.errors import UpstreamPaused, UpstreamUnavailable
from imgen.settings.sections import Upstream
from imgen.threads import LOADING

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

Start = Callable[["AsyncOpenAI"], AbstractAsyncContextManager[Any]]
"""Starts a streamed answer: `client.….with_streaming_response.create(…)`."""
BlockingStart = Callable[["OpenAI"], AbstractContextManager[Any]]

MAX_RETRY_AFTER_DIGITS = 6
MAX_WORDS = 20_000
"""Characters of an error answer that are kept."""
MALFORMED = (msgspec.MsgspecError, LookupError, RecursionError, ValueError)
"""Errors of decoding an answer of another form."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one answer."""

    total_s: float
    """Time for all tries and the whole body; the library's time-out is for each try and each read."""
    max_bytes: int
    max_retries: int = 0
    follow_redirects: bool = True
    harmless: frozenset[int] = frozenset()
    """Statuses that refuse the text and are no failures of the endpoint."""


class _Client:
    """Base of both clients. `breaker` counts failures; callers report successes to it."""

    def __init__(self, upstream: Upstream, limits: Limits) -> None:
        self._upstream = upstream
        self._limits = limits
        self.breaker = CircuitBreaker(pause_s=upstream.pause_s)

    def _check_breaker(self) -> None:
        if not self.breaker.allows():
            raise UpstreamPaused

    def _check_size(self, body: bytearray) -> None:
        if len(body) > self._limits.max_bytes:
            raise ValueError("an answer without end")

    def _failure(self, exc: Exception) -> UpstreamUnavailable:
        status = getattr(exc, "status_code", None)
        if status not in self._limits.harmless:
            self.breaker.failed()
        key = self._upstream.api_key.get_secret_value()
        words = " ".join(_words(getattr(exc, "body", None)))  # some endpoints repeat the key
        hidden = words.replace(key, "…") if key else words
        return UpstreamUnavailable(
            type(exc).__name__, status=status, words=hidden[:MAX_WORDS], retry_after_s=_retry_after_s(exc)
        )

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self._upstream.base_url,
            "api_key": self._upstream.api_key.get_secret_value() or "none",
            "timeout": self._upstream.timeout_s,
            "max_retries": self._limits.max_retries,
        }


class OpenAIClient(_Client):
    """Client for an event loop."""

    def __init__(self, upstream: Upstream, limits: Limits, *, socket: Path | None = None) -> None:
        """Takes a Unix socket that replaces the base URL's host."""
        super().__init__(upstream, limits)
        self._socket = socket

    async def ask(self, start: Start) -> bytes:
        """Returns the whole body of an answer.

        Raises:
            UpstreamPaused: the circuit is open; nothing was sent.
            UpstreamUnavailable: no answer within the limits, or an error.
        """
        self._check_breaker()
        failures = await LOADING.run(_failures)
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.total_s), start(self._client) as response:
                async for chunk in response.iter_bytes():
                    body += chunk
                    self._check_size(body)
        except failures as exc:
            raise self._failure(exc) from exc
        return bytes(body)

    async def close(self) -> None:
        """Closes the connections."""
        if "_client" in self.__dict__:
            await self._client.close()

    @cached_property
    def _client(self) -> "AsyncOpenAI":
        import httpx2
        from openai import AsyncOpenAI

        if self._socket is None:
            return AsyncOpenAI(**self._options())
        transport = httpx2.AsyncHTTPTransport(uds=str(self._socket))
        return AsyncOpenAI(**self._options(), http_client=httpx2.AsyncClient(transport=transport))


class BlockingOpenAIClient(_Client):
    """Client for a thread."""

    def ask(self, start: BlockingStart) -> bytes:
        """Returns the whole body of an answer.

        Raises:
            UpstreamPaused, UpstreamUnavailable: as for OpenAIClient.
        """
        self._check_breaker()
        failures = _failures()
        give_up_at = time.monotonic() + self._limits.total_s
        body = bytearray()
        try:
            with start(self._client) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    self._check_size(body)
                    if time.monotonic() > give_up_at:
                        raise TimeoutError
        except failures as exc:
            raise self._failure(exc) from exc
        return bytes(body)

    def close(self) -> None:
        """Closes the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> "OpenAI":
        from openai import DefaultHttpxClient, OpenAI

        http_client = DefaultHttpxClient(follow_redirects=self._limits.follow_redirects)
        return OpenAI(**self._options(), http_client=http_client)


def _retry_after_s(error: Exception) -> int | None:
    """Returns the seconds of an error answer's Retry-After; None: it has none, or a date."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    value = headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= MAX_RETRY_AFTER_DIGITS else None


def _words(error: object) -> Iterator[str]:
    """Yields the names and texts in a decoded error answer: what blames a parameter is in one of them."""
    if isinstance(error, str):
        yield error
    elif isinstance(error, dict):
        for name, inner in error.items():
            yield str(name)
            yield from _words(inner)
    elif isinstance(error, list):
        for inner in error:
            yield from _words(inner)


def _failures() -> tuple[type[Exception], ...]:
    """Imports the library; returns its errors of a missing or incomplete answer."""
    openai, httpx2 = import_module("openai"), import_module("httpx2")
    return openai.OpenAIError, httpx2.HTTPError, OSError, ValueError
