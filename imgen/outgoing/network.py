"""Network backend of httpcore that resolves a name, checks every address, and connects to one of those it has checked.

A name that resolves otherwise a moment later changes nothing: nobody resolves it again. TLS and the Host header keep the name.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore2
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

from imgen.domain.errors import NoAnswer, Unavailable, UnsafeUrl
from imgen.outgoing.addresses import Address, Network, may_connect
from imgen.threads import RESOLVING

MAX_ADDRESSES = 4
"""Addresses of a name that are tried in turn."""
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host and port, best first."""


async def resolve(host: str, port: int) -> list[str]:
    """Resolves a name by the system's resolver.

    Raises:
        NoAnswer: it has no address, or the resolver takes too long.
    """
    try:
        found = await RESOLVING.run(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise NoAnswer("The name has no address") from exc
    except Unavailable as exc:
        raise NoAnswer("The name was not resolved in time") from exc
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class CheckedNetwork(AsyncNetworkBackend):
    """Backend of one request."""

    def __init__(self, resolve: Resolve, *, allow: Sequence[Network], opened_only: bool) -> None:
        self._resolve = resolve
        self._allow = allow
        self._opened_only = opened_only
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connects to an address of the host, if all that it has may be connected to.

        Raises:
            UnsafeUrl: one of them may not.
            NoAnswer: there is none, or none of them takes a connection.
        """
        addresses = [self._checked(text) for text in await self._resolve(host, port)][:MAX_ADDRESSES]
        if not addresses:
            raise NoAnswer("The name has no address")
        failures = []
        for address in addresses:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failures.append(exc)
        raise failures[-1]

    async def connect_unix_socket(self, *_: Any, **__: Any) -> AsyncNetworkStream:
        """Raises UnsafeUrl: no tenant names a socket."""
        raise UnsafeUrl

    async def sleep(self, seconds: float) -> None:
        """Sleeps."""
        await asyncio.sleep(seconds)

    def _checked(self, text: str) -> Address:
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(text)
            if may_connect(address, allow=self._allow, opened_only=self._opened_only):
                return address
        raise UnsafeUrl
