"""Writes that are joined arrive whole, in order, and before the end of the connection."""

import asyncio
import random

import pytest
import uvloop

from imgen.asgi.transport import MAX_BUFFERED_BYTES, BufferedTransport


class Writer(asyncio.Protocol):
    """Writes pieces as soon as it is connected, then closes."""

    def __init__(self, pieces):
        self.pieces = pieces

    def connection_made(self, transport):
        buffered = BufferedTransport(transport, asyncio.get_running_loop())
        for piece in self.pieces:
            buffered.write(piece)
        buffered.close()
        assert buffered.is_closing()


async def received(pieces):
    """The chunks a client reads until the connection ends."""
    server = await asyncio.get_running_loop().create_server(lambda: Writer(pieces), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    chunks = []
    while chunk := await reader.read(MAX_BUFFERED_BYTES):
        chunks.append(chunk)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    return chunks


@pytest.mark.parametrize(
    "sizes", [[1], [200, 3000], [0, 5, 0], [MAX_BUFFERED_BYTES, 1], [1] * 1000, [MAX_BUFFERED_BYTES * 3, 7, 9]]
)
def test_pieces_arrive_in_order(sizes):
    """Whatever is written in one turn arrives, small and large pieces alike."""
    rng = random.Random(1)
    pieces = [rng.randbytes(size) for size in sizes]
    assert b"".join(uvloop.run(received(pieces))) == b"".join(pieces)


def test_a_head_and_its_body_leave_together():
    """Two writes of one turn are read as one chunk."""
    assert uvloop.run(received([b"head", b"body"])) == [b"headbody"]
