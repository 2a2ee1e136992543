"""Transport that sends everything written in one turn of the event loop with one system call; wraps another one.

uvicorn writes the head of an answer and its body apart, and uvloop sends each write at once: 10 µs each, of the hundred that
a poll takes.
"""

import contextlib
import fcntl
import termios
from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from typing import Any

MAX_BUFFERED_BYTES = 64 * 1024
"""High-water mark of asyncio; a larger buffer is sent without waiting for the end of the turn."""


class BufferedTransport:
    """Wraps a transport of the running loop."""

    def __init__(
        self, transport: Transport, loop: AbstractEventLoop, *, stays_open: Callable[[], bool] = lambda: False
    ) -> None:
        """Takes `stays_open`, asked at each `close`; True: the protocol closes later, once the client has written its request."""
        self._transport = transport
        self._loop = loop
        self._stays_open = stays_open
        self._parts: list[bytes] = []
        self._bytes = 0
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        """Returns any other attribute of the wrapped transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Buffers bytes; they are sent at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes > MAX_BUFFERED_BYTES:
            self._flush()

    def has_untaken(self) -> bool:
        """Returns whether the other system has yet to acknowledge something written; of a closing connection nobody knows."""
        if self._transport.is_closing() or self._parts or self._transport.get_write_buffer_size():
            return True
        with contextlib.suppress(OSError):  # a system that cannot tell
            queued = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            return any(queued)
        return False

    def close(self) -> None:
        """Closes the transport after sending the buffer."""
        self._flush()
        if not self._stays_open():
            self._transport.close()

    def write_eof(self) -> None:
        """Ends the sending half after the buffer; the client sees the end and may still write."""
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def _flush(self) -> None:
        if not self._parts:
            return
        joined = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._bytes = 0
        if not self._transport.is_closing():  # the client may have disconnected in this turn
            self._transport.write(joined)
