"""A real HTTP server on 127.0.0.1 that misbehaves on demand: errors, hangs, resets, cut bodies; else it passes requests on.

A behaviour is a function of one exchange. `script` holds the behaviours for the next requests, one each; when it is empty,
the server's standing behaviour answers.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Exchange(BaseHTTPRequestHandler):
    """One request, and the connection on which it is answered or not."""

    protocol_version = "HTTP/1.1"
    server: "FaultyServer"
    request_read: Request

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.request_read = Request(self.command, self.path, self.headers, body)
        with self.server.lock:
            self.server.requests.append(self.request_read)
            behaviour = self.server.script.pop(0) if self.server.script else self.server.standing
        behaviour(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # http.server looks for these

    def log_message(self, *_: object) -> None:
        """Says nothing."""


Behaviour = Callable[[Exchange], None]


class FaultyServer(ThreadingHTTPServer):
    """Its address, what it was asked and what it will do next."""

    daemon_threads = True
    request_queue_size = 128  # connections of many clients at once

    def __init__(self, standing: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.standing = standing
        self.script: list[Behaviour] = []
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def forget(self) -> None:
        """Forgets what it was asked, and what it was to do."""
        with self.lock:
            self.requests.clear()
            self.script.clear()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some behaviours are for."""


@contextmanager
def start_faulty_http(standing: Behaviour) -> Iterator[FaultyServer]:
    """Serves on a free port for the length of the block."""
    server = FaultyServer(standing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answers with this, whatever was asked."""

    def behaviour(exchange: Exchange) -> None:
        _answer(exchange, status, {"Content-Length": str(len(body)), **(headers or {})}, body)

    return behaviour


def hang(exchange: Exchange) -> None:
    """Reads the request and never answers; gives up when the server stops."""
    exchange.server.closing.wait()
    exchange.close_connection = True


def reset(exchange: Exchange) -> None:
    """Breaks the connection with a TCP reset instead of an answer."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()
    exchange.close_connection = True


def endless(exchange: Exchange) -> None:
    """Sends up to 500 MB, as long as anybody reads."""
    exchange.send_response_only(200)
    exchange.end_headers()
    exchange.close_connection = True
    for _ in range(500):
        try:
            exchange.wfile.write(b" " * 2**20)
        except OSError:
            return


def cut(exchange: Exchange) -> None:
    """Promises a thousand bytes, sends ten and closes."""
    _answer(exchange, 200, {"Content-Length": "1000"}, b"0123456789")
    exchange.close_connection = True


def forward(upstream_url: str) -> Behaviour:
    """Passes the request on byte for byte, its Host header too, so that signatures stay good."""
    netloc = urlsplit(upstream_url).netloc

    def behaviour(exchange: Exchange) -> None:
        asked = exchange.request_read
        connection = http.client.HTTPConnection(netloc, timeout=20)
        try:
            connection.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(asked.body)
            reply = connection.getresponse()
            body = reply.read()
            headers = {name: value for name, value in reply.getheaders() if name.lower() != "connection"}
        finally:
            connection.close()
        _answer(exchange, reply.status, headers, body)

    return behaviour


def forward_then(upstream_url: str, ending: Behaviour) -> Behaviour:
    """Passes the request on and lets it take effect there, but ends otherwise towards the client: a lost answer."""
    pass_on = forward(upstream_url)

    def behaviour(exchange: Exchange) -> None:
        real, exchange.wfile = exchange.wfile, _Nowhere()
        pass_on(exchange)
        exchange.wfile = real
        ending(exchange)

    return behaviour


class _Nowhere:
    """Takes what is written and drops it."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _answer(exchange: Exchange, status: int, headers: Mapping[str, str], body: bytes) -> None:
    with suppress(ConnectionError):
        exchange.send_response_only(status)
        for name, value in headers.items():
            exchange.send_header(name, value)
        exchange.end_headers()
        if exchange.command != "HEAD":
            exchange.wfile.write(body)
        exchange.wfile.flush()
