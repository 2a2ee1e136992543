"""Presence of the client while its request is answered: work that is given up once the client is gone or the server stops."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from imgen.asgi.connection import connection_control

T = TypeVar("T")


class ServerStops(Exception):
    """End of the server while a request is answered."""


class Presence:
    """Client of one request, whose body has been read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.control = connection_control(scope)
        self._gone = asyncio.ensure_future(disconnection(receive))
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_gone(self) -> bool:
        """Returns whether the client has gone."""
        return self._gone.done()

    def watch(self) -> None:
        """Begins to listen for the end of the server."""
        self.control.when_stopping(lambda: None if self._stopped.done() else self._stopped.set_result(None))

    def end(self) -> None:
        """Ends the watch."""
        self.control.when_stopping(None)
        self._gone.cancel()

    async def during(self, work: Awaitable[T]) -> T:
        """Awaits something as long as client and server are there; else it is given up.

        Raises:
            starlette.requests.ClientDisconnect: the client has gone.
            ServerStops: the server is about to stop.
        """
        done = asyncio.ensure_future(work)
        try:
            await asyncio.wait((self._gone, self._stopped, done), return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                return done.result()
            raise ClientDisconnect if self._gone.done() else ServerStops
        finally:
            if not done.done():
                done.cancel()
                await asyncio.wait((done,))


@contextlib.contextmanager
def presence(scope: Scope, receive: Receive) -> Iterator[Presence]:
    """Watches the client of a request while the block runs."""
    watched = Presence(scope, receive)
    watched.watch()
    try:
        yield watched
    finally:
        watched.end()


async def disconnection(receive: Receive) -> None:
    """Waits until the client has gone; what else it sends does not matter."""
    while (await receive())["type"] != "http.disconnect":
        pass
