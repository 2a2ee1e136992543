"""HTTP protocol of uvicorn with the limits it lacks: time for a head and a body, size of a head, bytes read after an answer.

The size of a body is limited elsewhere: see `read_body`. Without these limits half a request holds a connection for
ever, and a header without end fills the memory.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from imgen.asgi.endpoint import Answer
from imgen.asgi.transport import BufferedTransport

MAX_HEAD_BYTES = 64 * 1024
"""Limit of a head, a trailer or the line of a chunk; eight times nginx's limit of a head."""
LINGER_S = 5.0
MAX_LINGER_BYTES = 16 * 1024 * 1024
"""Limits of reading on after the answer, in seconds and bytes. Closing at once would reset the connection, and many clients
write their whole request before they read."""


class TimeoutProtocol(HttpToolsProtocol):
    """Protocol of one connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        read_timeout_s: float,
        refusal: Callable[[str, int, str], Answer],
    ) -> None:
        """Makes the protocol; two arguments are added to uvicorn's.

        `read_timeout_s` is from the connection or the last answer to the end of a head, and again to that of its body;
        `refusal` makes an answer from the request's path, a status and a text.
        """
        super().__init__(config, server_state, app_state, _loop)
        self._read_timeout_s = read_timeout_s
        self._refusal = refusal
        self.url = b""  # before the first request uvicorn has none
        self._timer: TimerHandle | None = None
        self._give_up_at: float | None = None
        self._in_head = False
        self._in_message = False
        self._silent_bytes = 0
        self._lingered_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Starts the time limit of the first head."""
        super().connection_made(BufferedTransport(transport, self.loop))  # type: ignore[arg-type]  # has all that uvicorn uses of a transport
        self._wait(self._read_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timer."""
        self._stop_waiting()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses bytes, and counts those of a head, a trailer or a line of a chunk."""
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._refuse(431, "Request header fields too large")
        elif self._in_message and not self._in_head and self._give_up_at is None:  # the rest of a body is still to come
            self._wait(self._read_timeout_s)

    def on_message_begin(self) -> None:
        """Records the beginning of a head."""
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header; drops a trailer."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Records the end of the head."""
        self._in_head = False
        self._silent_bytes = self._lingered_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Passes a part of the body on; drops it once the answer is sent."""
        self._silent_bytes = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._lingered_bytes += len(body)
            if self._lingered_bytes > MAX_LINGER_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """Records the end of the request."""
        self._in_message = False
        self._silent_bytes = 0
        super().on_message_complete()
        if self._give_up_at is None:
            return
        self._stop_waiting()
        if self.cycle.response_complete:  # answered before the request was complete
            self._wait(self._read_timeout_s)

    def on_response_complete(self) -> None:
        """Starts the time limit of the rest of this request, or of the next head."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait(LINGER_S if self._in_message and not self._in_head else self._read_timeout_s)

    def send_400_response(self, msg: str) -> None:
        """Refuses bytes that are not HTTP, in the form of every other error."""
        self._refuse(400, msg.rstrip("."))

    def _wait(self, seconds: float) -> None:
        """Ends the connection after so many seconds without a change of state. A running timer is kept: making one is slow."""
        self._give_up_at = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._give_up_at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._give_up_at, self._on_timer)

    def _stop_waiting(self) -> None:
        self._give_up_at = None

    def _on_timer(self) -> None:
        self._timer = None
        if self._give_up_at is None or self.transport.is_closing():
            return
        if self.loop.time() < self._give_up_at:
            self._timer = self.loop.call_at(self._give_up_at, self._on_timer)
            return
        self._give_up_at = None
        self._give_up()

    def _give_up(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        in_body = self._in_message and not self._in_head
        if is_answering and (self.pipeline or not in_body):
            return  # a pipelined request is being answered; its end starts the timer anew
        if self._in_head or is_answering:
            self._refuse(408, "Request timed out")
        else:
            self.transport.close()

    def _refuse(self, status: int, text: str) -> None:
        """Ends the connection; sends an answer unless one has begun."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started):
            path = self.url.partition(b"?")[0].decode("ascii", "replace")
            status, body, more = self._refusal(path, status, text)
            headers = {
                "content-type": "application/json",
                "content-length": str(len(body)),
                **more,
                "connection": "close",
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.transport.write(b"".join((STATUS_LINE[status], head.encode("latin-1"), b"\r\n", body)))
        self.transport.close()
