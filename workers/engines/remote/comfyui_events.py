"""Events of a ComfyUI server for one call, read from its WebSocket: progress, previews, and the work's end.

They are a convenience: a server without a socket, or one that sends nonsense, is asked from time to time all the same.
Source of the messages: ComfyUI, server.py and comfy_execution/progress.py.
"""

import asyncio
import logging
import math
from collections.abc import Collection, Mapping

import msgspec
from msgspec import UNSET, Struct, UnsetType
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from workers.engines.remote.protocol import Progress

MAX_EVENT_BYTES = 2**22
"""Bytes of a message; the longest that ComfyUI sends are previews of some 100 kB."""
OPEN_S = 5.0
"""Longest time for opening the socket."""
CLOSE_S = 0.2
"""Longest time for closing it in good form; the picture waits for that."""
PREVIEW, PREVIEW_WITH_METADATA = 1, 4
"""Events of binary messages (ComfyUI, protocol.py)."""
_NUMBER_BYTES = 4
_SILENT = logging.Logger("comfyui events", logging.CRITICAL)  # noqa: LOG001 - nobody turns it on
"""Logger of the library, which at DEBUG writes headers, and so the key."""


class _NodeProgress(Struct):
    value: float = 0
    max: float = 0


class _Data(Struct):
    prompt_id: str | None = None
    node: str | UnsetType | None = UNSET
    value: float = 0
    max: float = 0
    nodes: dict[str, _NodeProgress] | UnsetType = UNSET


class _Event(Struct):
    type: str
    data: _Data


class _Connect(connect):
    """Connection that follows no redirects."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Returns the error as it is."""
        return exc


class CallEvents:
    """Events of one call, which is the only one of its client id."""

    def __init__(self, call_id: str, samplers: Collection[str], progress: Progress) -> None:
        """Takes the ids of the nodes whose steps are the picture's progress."""
        self._call_id = call_id
        self._progress = progress
        self._shares = dict.fromkeys(samplers, 0.0)
        self.calls_for_look = asyncio.Event()
        """Set by the end of the work, and once the socket is open: the end may have been told before."""

    async def listen(self, url: str, headers: Mapping[str, str]) -> None:
        """Reads events until the socket is closed; returns, too, where there is none."""
        try:
            socket = await _Connect(
                url,
                additional_headers=headers,
                proxy=None,
                compression=None,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
                max_size=MAX_EVENT_BYTES,
                max_queue=4,
                logger=_SILENT,
            )
            try:
                self.calls_for_look.set()
                async for message in socket:
                    self.take(message)
            finally:
                try:
                    await socket.close()
                finally:  # also where a cancellation breaks the closing off
                    socket.transport.abort()
        except (WebSocketException, OSError, ValueError):  # a time-out is an OSError
            return

    def take(self, message: str | bytes) -> None:
        """Takes one message; one of another form is left out."""
        if isinstance(message, bytes):
            if preview := preview_file(message):
                self._progress(self._share(), preview)
            return
        try:
            event = msgspec.json.decode(message, type=_Event)
        except (msgspec.MsgspecError, RecursionError):
            return
        data = event.data
        if data.prompt_id != self._call_id:
            return
        if event.type == "executing" and data.node is None:
            self.calls_for_look.set()
        elif event.type == "progress" and isinstance(data.node, str):
            self._count(data.node, data.value, data.max)
        elif event.type == "progress_state" and data.nodes is not UNSET:
            for node_id, state in data.nodes.items():
                self._count(node_id, state.value, state.max)

    def _count(self, node_id: str, value: float, most: float) -> None:
        if node_id in self._shares and most > 0 and math.isfinite(value / most):
            self._shares[node_id] = min(max(value / most, 0.0), 1.0)
            self._progress(self._share(), b"")

    def _share(self) -> float:
        return sum(self._shares.values()) / len(self._shares) if self._shares else 0.0


def preview_file(message: bytes) -> bytes:
    """Returns the picture in a binary message; empty: it holds none."""
    event = int.from_bytes(message[:_NUMBER_BYTES])
    rest = message[_NUMBER_BYTES:]
    if event == PREVIEW:  # after it, a number for its format
        return rest[_NUMBER_BYTES:]
    if event == PREVIEW_WITH_METADATA:  # after it, the length of JSON, and the JSON
        return rest[_NUMBER_BYTES + int.from_bytes(rest[:_NUMBER_BYTES]) :]
    return b""
