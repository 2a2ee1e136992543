"""Client for addresses that tenants name: no redirects, no proxies, no cookies, and limits of time and size."""

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import httpcore2

from imgen.domain.errors import NoAnswer
from imgen.outgoing.addresses import Network
from imgen.outgoing.network import CheckedNetwork, Resolve, resolve
from imgen.outgoing.urls import parse_url

MAX_ANSWER_BYTES = 4096
"""Bytes of the answer's body to a POST that are read; nobody keeps them."""
MAX_REASON_CHARS = 200
_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    OSError,
)


class Answer(NamedTuple):
    """Answer to a request."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes = b""
    """Empty where nobody asked for it."""


class OutgoingClient:
    """Client of one process."""

    def __init__(
        self,
        *,
        allow: Sequence[Network] = (),
        timeout_s: float,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Makes a client.

        Args:
            allow: networks that the operator opened, http included.
            timeout_s: for all of a request: name, connection, TLS, answer.
            resolve: resolver of names.
            tls: trust of servers; None: the system's.
        """
        self._allow = allow
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._given_tls = tls

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends a request and reads the answer's status, headers and the beginning of its body, which is dropped.

        Raises:
            UnsafeUrl: the URL, or an address of its name, is none that may be connected to.
            NoAnswer: there is no whole answer in time; the message has the reason.
        """
        answer = await self._send("POST", url, headers, body, max_bytes=MAX_ANSWER_BYTES)
        return answer._replace(body=b"")

    async def get(self, url: str, headers: Mapping[str, str], *, max_bytes: int) -> Answer:
        """Reads what is at a URL.

        Raises:
            UnsafeUrl: as for `post`.
            NoAnswer: there is no whole answer in time, or its body is longer than `max_bytes`.
        """
        answer = await self._send("GET", url, headers, b"", max_bytes=max_bytes)
        if len(answer.body) > max_bytes:
            raise NoAnswer(f"The answer is longer than {max_bytes} bytes")
        return answer

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, max_bytes: int) -> Answer:
        """Sends a request, and reads its answer until the body is over the limit."""
        wanted = parse_url(url, allow=self._allow)
        network = CheckedNetwork(self._resolve, allow=self._allow, opened_only=wanted.scheme != "https")
        target = httpcore2.URL(
            scheme=wanted.scheme.encode(), host=wanted.host.encode(), port=wanted.port, target=wanted.target.encode()
        )
        pool = httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, max_keepalive_connections=0, network_backend=network
        )
        host = wanted.origin.partition("://")[2]
        named = [(name.encode(), value.encode()) for name, value in {"Host": host, **headers}.items()]
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                pool,
                pool.stream(method, target, headers=named, content=body) as response,
            ):
                gathered = bytearray()
                async for chunk in response.aiter_stream():
                    gathered += chunk
                    if len(gathered) > max_bytes:
                        break
                told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                return Answer(response.status, told, bytes(gathered))
        except TimeoutError as exc:
            raise NoAnswer(f"No whole answer within {self._timeout_s:g} s") from exc
        except _FAILURES as exc:
            raise NoAnswer(_reason(exc)) from exc

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or httpcore2.default_ssl_context()


def _reason(exc: BaseException) -> str:
    """Returns the innermost cause in words: httpcore wraps it several times, and often without any."""
    while (inner := exc.__cause__ or exc.__context__) is not None:
        exc = inner
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"TLS: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"TLS: {exc.reason or type(exc).__name__}"
    if isinstance(exc, OSError) and exc.errno:
        return os.strerror(exc.errno)  # its own text has the address
    return str(exc)[:MAX_REASON_CHARS] or type(exc).__name__
