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

from imgen.asgi.answer_headers import begin_answer
from imgen.asgi.connection import KEY, ConnectionControl
from imgen.asgi.endpoint import Answer, header
from imgen.asgi.linger import Linger
from imgen.asgi.transport import BufferedTransport

TIMED_OUT = 408
MAX_HEAD_BYTES = 64 * 1024
"""Limit of a head, a trailer or the line of a chunk; eight times nginx's limit of a head."""


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
        self._body_bytes = 0
        self._linger: Linger | None = None
        self._may_linger = True
        self._is_half_closed = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Starts the time limit of the first head."""
        buffered = BufferedTransport(transport, self.loop, stays_open=self._half_close)
        super().connection_made(buffered)  # type: ignore[arg-type]  # has all that uvicorn uses of a transport
        self._control = ConnectionControl(buffered.abort, buffered.has_untaken)
        self._wait(self._read_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timer."""
        self._stop_waiting()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses bytes, and counts those of a head, a trailer or a line of a chunk; drops them after the last answer."""
        if self._is_half_closed:
            self._drop(len(data))
            return
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._is_half_closed:
            return
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._refuse(431, "Request header fields too large")
        elif self._in_body and self._give_up_at is None:  # the rest of a body is still to come
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
        self._silent_bytes = self._body_bytes = 0
        self._stop_waiting()
        self.scope[KEY] = self._control  # type: ignore[literal-required]  # a key of our own
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Passes a part of the body on; drops it once the answer is sent."""
        self._silent_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)
        self._drop(len(body))

    def on_message_complete(self) -> None:
        """Records the end of the request."""
        self._in_message = False
        self._linger = None
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
        if self.transport.is_closing():
            return
        if self._in_body and not self.pipeline:
            self._start_lingering(self._declared_bytes())
        else:
            self._wait(self._read_timeout_s)

    def shutdown(self) -> None:
        """Ends an idle connection at once, another one with its answer."""
        self._may_linger = False
        super().shutdown()
        self._control.stop()

    def send_400_response(self, msg: str) -> None:
        """Refuses bytes that are not HTTP, in the form of every other error."""
        self._refuse(400, msg.rstrip("."))

    @property
    def _in_body(self) -> bool:
        return self._in_message and not self._in_head

    def _declared_bytes(self) -> int | None:
        """Returns the length of the rest of the body; None: it is not declared."""
        declared = header(dict(self.scope), b"content-length")
        return int(declared) - self._body_bytes if declared.isdecimal() else None

    def _start_lingering(self, declared_bytes: int | None) -> None:
        self._unset_keepalive_if_required()  # uvicorn's timer knows nothing of bytes that still come
        now = self.loop.time()
        self._linger = Linger(now, declared_bytes)
        self._wait(self._linger.patience_s(now))

    def _drop(self, size_bytes: int) -> None:
        """Counts bytes that come after the answer, up to the limits."""
        if self._linger is None:
            return
        if self._linger.count(size_bytes):
            self._wait(self._linger.patience_s(self.loop.time()))
        else:
            self._close_now()

    def _half_close(self) -> bool:
        """Ends the sending half if the request is answered and still comes. False: nothing is left to wait for."""
        cycle = self.cycle
        is_answered = cycle is not None and cycle.response_complete and not self.pipeline
        if not self._may_linger or not is_answered or not self._in_body:
            return False
        self._may_linger = False
        self._is_half_closed = True
        self.transport.write_eof()
        return True

    def _close_now(self) -> None:
        self._may_linger = False
        self.transport.close()

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
        if self._linger is not None:
            self._close_now()
            return
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and (self.pipeline or not self._in_body):
            return  # a pipelined request is being answered; its end starts the timer anew
        if self._in_head or is_answering:
            self._refuse(408, "Request timed out")
        else:
            self.transport.close()

    def _refuse(self, status: int, text: str) -> None:
        """Ends the connection; sends an answer unless one has begun."""
        if self.transport.is_closing() or self._is_half_closed:
            return
        cycle = self.cycle
        is_told = not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started)
        if is_told:
            context = begin_answer()
            path = self.url.partition(b"?")[0].decode("ascii", "replace")
            status, body, more = self._refusal(path, status, text)
            headers = {
                "content-type": "application/json",
                "content-length": str(len(body)),
                **more,
                "x-request-id": context.request_id,
                "connection": "close",
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.transport.write(b"".join((STATUS_LINE[status], head.encode("latin-1"), b"\r\n", body)))
        if is_told and status != TIMED_OUT:
            self._drop_the_rest()
        else:
            self.transport.close()

    def _drop_the_rest(self) -> None:
        """Reads on after a refusal, since the client may still be writing; nothing more is parsed or answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._may_linger, self._is_half_closed = False, True
        self.transport.write_eof()
        self.flow.resume_reading()
        self._start_lingering(None)
