"""A TCP proxy that breaks the first connections that come, with a reset; all later ones it passes on byte for byte.

It takes hardly any of an answer that it is going to break off: what the server has not sent yet cannot lie in buffers as sent.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

BUFFER_BYTES = 4096
"""Receive buffer towards the server of a connection that will be cut; the kernel doubles it."""
RESET = struct.pack("ii", 1, 0)

CutWhen = Callable[[socket.socket], object]
"""Waits for the moment to break a connection, of which it gets the link to the server."""


def answer_begins(server: socket.socket) -> None:
    """Waits for the first byte of the answer, and leaves it unread."""
    server.recv(1, socket.MSG_PEEK)


@dataclass
class CuttingProxy:
    """The running proxy."""

    url: str
    upstream: tuple[str, int]
    cuts: int
    """Connections that are still to be broken."""
    cut_when: CutWhen
    connections: int = 0
    """Connections that came."""
    threads: list[threading.Thread] = field(default_factory=list)

    def serve(self, client: socket.socket) -> None:
        """Handles one connection on threads of its own."""
        self.connections += 1
        is_cut, self.cuts = self.cuts > 0, max(0, self.cuts - 1)
        server = socket.socket()
        if is_cut:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        server.connect(self.upstream)
        up = self._start(_pass_on, client, server)
        self._start(self._cut if is_cut else self._answer, client, server, up)

    def _answer(self, client: socket.socket, server: socket.socket, up: threading.Thread) -> None:
        _pass_on(server, client)
        up.join()
        client.close()
        server.close()

    def _cut(self, client: socket.socket, server: socket.socket, up: threading.Thread) -> None:
        try:
            self.cut_when(server)
        finally:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)
            up.join()  # a descriptor that another thread reads from is not closed
            for link in (client, server):
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                link.close()

    def _start(self, work: Callable[..., None], *given: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=given, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def start_cutting_proxy(url: str, *, cuts: int = 1, cut_when: CutWhen = answer_begins) -> Iterator[CuttingProxy]:
    """Serves on a free port, in front of the HTTP server with this URL, for the length of the block."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = CuttingProxy(f"http://127.0.0.1:{listening.getsockname()[1]}", (host, int(port)), cuts, cut_when)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    proxy.serve(listening.accept()[0])

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield proxy
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(30)
        for thread in proxy.threads:
            thread.join(30)
