"""Server-sent events over a real connection: comments, ends, a client that does not read, a server that stops."""

import asyncio
import contextlib
import socket
import time

from servers.event_loop import until
from servers.loop_server import serve_in_loop

from imgen.asgi.event_stream import Pace, Unfinished, frame, send_events

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """Application that streams one source, and what became of it."""

    def __init__(self, source, pace, may_read=True, farewell=b""):
        self.source, self.pace, self.may_read, self.farewell = source, pace, may_read, farewell
        self.is_delivered = None
        self.open = 0
        self.closed = 0

    async def __call__(self, scope, receive, send):
        async def frames():
            try:
                async for one in self.source():
                    yield one
            finally:
                self.closed += 1

        async def may_read():
            return self.may_read

        self.open += 1
        try:
            self.is_delivered = await send_events(
                scope, receive, send, frames(), may_read=may_read, pace=self.pace, farewell=self.farewell
            )
        finally:
            self.open -= 1


async def connected(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    return reader, writer, head


async def silence():
    await asyncio.Event().wait()
    yield b""


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_a_stream_has_its_headers_and_ends_with_its_source():
    """No proxy may collect or keep it; the last chunk tells the client that nothing is missing."""

    async def source():
        yield frame(event="status", event_id="7", data=b'{"a":1}')
        yield frame(event_id="8")

    async def main():
        async with serve_in_loop(App(source, Pace())) as (_, address):
            reader, writer, head = await connected(address)
            body = await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.close()
            return head, body

    head, body = run(main())
    for line in (b"200 OK", b"text/event-stream", b"cache-control: no-store", b"x-accel-buffering: no"):
        assert line in head
    assert b'event: status\nid: 7\ndata: {"a":1}\n\n' in body
    assert b"\nid: 8\n\n" in body


def test_nothing_comes_between_the_parts_of_a_frame():
    """A frame that takes its time is one line at the client; the whole is told as delivered."""

    async def source():
        yield Unfinished(b"event: picture\ndata: ")
        await asyncio.sleep(0.3)
        yield Unfinished(b"12")
        yield b"34\n\n"

    async def main():
        app = App(source, Pace(comment_s=0.02, check_s=0.02))
        async with serve_in_loop(app) as (_, address):
            reader, writer, _ = await connected(address)
            body = await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.close()
        return body, app.is_delivered

    body, is_delivered = run(main())
    pieces = body.split(b"\r\n")[1::2]
    assert b"event: picture\ndata: 1234\n\n" in b"".join(pieces)
    assert is_delivered is True


def test_silence_is_broken_by_comments():
    """A source without news costs the connection nothing: comments keep it open."""

    async def main():
        async with serve_in_loop(App(silence, Pace(comment_s=0.05))) as (_, address):
            reader, writer, _ = await connected(address)
            comments = [await reader.readuntil(b":\n\n") for _ in range(3)]
            writer.close()
        assert all(b"data:" not in comment for comment in comments[1:])  # the first comes with the head

    run(main())


def test_a_caller_that_may_read_no_more_is_ended():
    """The right to read is looked at now and then."""

    async def main():
        app = App(silence, Pace(check_s=0.05))
        async with serve_in_loop(app) as (_, address):
            reader, writer, _ = await connected(address)
            app.may_read = False
            await reader.readuntil(b"0\r\n\r\n")
            writer.close()
            assert (app.open, app.closed) == (0, 1)

    run(main())


def test_a_client_that_goes_away_leaves_nothing():
    """Its source is closed at once."""

    async def main():
        app = App(silence, Pace())
        async with serve_in_loop(app) as (_, address):
            _, writer, _ = await connected(address)
            assert app.open == 1
            writer.close()
            await until(lambda: (app.open, app.closed) == (0, 1))

    run(main())


def test_a_client_that_does_not_read_is_cut_off():
    """Once the buffers are full its source is not asked any more; after a while the connection is reset."""
    given = 0

    async def source():
        nonlocal given
        while True:
            given += 1
            yield frame(data=b"x" * 65536)

    async def main():
        app = App(source, Pace(send_s=0.5))
        async with serve_in_loop(app) as (_, address):
            lazy = socket.create_connection(address)
            lazy.sendall(REQUEST)
            await until(lambda: app.closed == 1)
            at_most = given
            assert app.open == 0
            await asyncio.to_thread(_drained, lazy)
            assert given == at_most

    def _drained(lazy):
        with lazy, contextlib.suppress(ConnectionError):
            while lazy.recv(1 << 20):
                pass

    run(main())
    assert given < 1000  # 64 MB


def test_a_stream_that_is_ended_before_its_source_says_so():
    """Its last frame is the farewell; in the middle of a frame the connection breaks off instead."""

    async def halved():
        yield Unfinished(b"event: picture\ndata: 12")
        await asyncio.Event().wait()

    async def ended(source):
        app = App(source, Pace(), farewell=b"event: error\n\n")
        async with serve_in_loop(app) as (server, address):
            reader, writer, _ = await connected(address)
            if source is halved:
                await reader.readuntil(b"12")
            server.should_exit = True
            rest = b""
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(1000):
                    rest += chunk
            writer.close()
        return rest, app.is_delivered

    rest, is_delivered = run(ended(silence))
    assert b"event: error\n\n\r\n0\r\n\r\n" in rest
    assert is_delivered is False
    assert b"0\r\n\r\n" not in run(ended(halved))[0]


def test_a_server_that_stops_ends_its_streams():
    """They end as if their source had, well before the time that requests get."""

    async def main():
        app = App(silence, Pace())
        async with serve_in_loop(app) as (server, address):
            reader, writer, _ = await connected(address)
            began = time.monotonic()
            server.should_exit = True
            await reader.readuntil(b"0\r\n\r\n")
            writer.close()
            return time.monotonic() - began

    assert run(main()) < 30
