"""Bodies that are made while they are sent: whole, given up, too slow."""

import asyncio
import contextlib
import socket
import struct

import pytest
from servers.event_loop import until
from servers.loop_server import serve_in_loop

from imgen.asgi.connection import KEY, ConnectionControl
from imgen.asgi.pieces import send_pieces
from imgen.asgi.presence import ServerStops, presence
from imgen.domain.errors import ObjectStoreUnavailable

PIECES = [b"ab", b"cde", b""]


class Connection:
    """Connection of a client that may go, and that takes what it is sent."""

    def __init__(self, *, takes=99):
        self.gone = asyncio.Event()
        self.sent, self.cut, self.closed = [], False, False
        self._takes = takes
        self.scope = {KEY: ConnectionControl(self._abort)}

    def _abort(self):
        self.cut = True

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if len(self.sent) == self._takes:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def pieces(self, *, gone_after=None, broken_after=None):
        try:
            for number, piece in enumerate(PIECES):
                if number == gone_after:
                    self.gone.set()
                    await asyncio.sleep(0)
                if number == broken_after:
                    raise ObjectStoreUnavailable
                yield piece
        finally:
            self.closed = True

    async def answer(self, *, send_s=60.0, **more):
        """Whether the whole body was delivered."""
        with presence(self.scope, self.receive) as client:
            return await send_pieces(self.send, client, self.pieces(**more), size_bytes=5, send_s=send_s)


def test_a_whole_body_is_delivered():
    """The head tells its length, and the connection goes on."""

    async def steps():
        connection = Connection()
        assert await connection.answer()
        head, *body = connection.sent
        assert dict(head["headers"]) == {b"content-type": b"application/json", b"content-length": b"5"}
        assert b"".join(message["body"] for message in body) == b"abcde"
        assert [message.get("more_body", False) for message in body] == [True] * len(PIECES) + [False]
        assert (connection.cut, connection.closed) == (False, True)

    asyncio.run(steps())


@pytest.mark.parametrize("after", range(len(PIECES)))
def test_a_client_that_goes_gets_no_more(after):
    """It does not count as delivered, also if only the last byte was missing, and the source ends."""

    async def steps():
        connection = Connection()
        assert not await connection.answer(gone_after=after)
        assert (connection.cut, connection.closed) == (True, True)

    asyncio.run(steps())


def test_a_client_that_takes_nothing_is_cut_off():
    """After the time that it has for a piece."""

    async def steps():
        connection = Connection(takes=2)
        assert not await connection.answer(send_s=0.05)
        assert (connection.cut, connection.closed) == (True, True)

    asyncio.run(steps())


def test_a_broken_source_ends_the_connection():
    """The head is sent, so nothing else can tell the client."""

    async def steps():
        connection = Connection()
        with pytest.raises(ObjectStoreUnavailable):
            await connection.answer(broken_after=1)
        assert (connection.cut, connection.closed) == (True, True)

    asyncio.run(steps())


def test_work_is_given_up_when_the_server_stops():
    """Whoever waits is told, and the work is cancelled."""

    async def steps():
        connection, ended = Connection(), []

        async def work():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        with presence(connection.scope, connection.receive) as client:
            waiting = asyncio.ensure_future(client.during(work()))
            await asyncio.sleep(0)
            connection.scope[KEY].stop()
            with pytest.raises(ServerStops):
                await waiting
        assert ended == [True]

    asyncio.run(steps())


BODY_BYTES = 500_000
"""Less than a socket of this system accepts for sending, and more than the client's takes."""


@contextlib.asynccontextmanager
async def answering(results):
    """Serves answers of BODY_BYTES; notes whether each was delivered; gives the address."""

    async def app(scope, receive, send):
        async def body():
            yield bytes(BODY_BYTES)

        with presence(scope, receive) as client:
            results.append(await send_pieces(send, client, body(), size_bytes=BODY_BYTES))

    async with serve_in_loop(app) as (_, address):
        yield address


def small_client(address):
    """A connection with a small receive buffer, whose request is sent."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(address)
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


def test_an_answer_in_the_buffers_of_a_broken_connection_is_not_delivered():
    """The system has accepted all of it for sending when the client resets the connection."""

    async def steps():
        results = []
        async with answering(results) as address:
            with small_client(address) as client:
                await asyncio.to_thread(client.recv, 1)
                await asyncio.sleep(0.2)
                assert results == []
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await until(lambda: results)
        assert results == [False]

    asyncio.run(steps())


def test_an_answer_that_is_read_late_is_delivered():
    """A client that stays and reads to the end has it, whenever it begins."""

    async def steps():
        results = []
        async with answering(results) as address:
            with small_client(address) as client:
                await asyncio.sleep(0.2)
                read = 0
                while read < BODY_BYTES:
                    read += len(await asyncio.to_thread(client.recv, 1 << 16))
                await until(lambda: results)
        assert results == [True]

    asyncio.run(steps())
