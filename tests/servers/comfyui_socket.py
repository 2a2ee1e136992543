"""WebSocket of the ComfyUI server: one for each client id, over the connection of an HTTP exchange."""

import json
import threading
from contextlib import suppress

from servers.faulty_http import Exchange
from websockets.protocol import State
from websockets.server import ServerProtocol


class Socket:
    """WebSocket of a client id."""

    def __init__(self, comfy, client_id: str) -> None:
        self.comfy, self.client_id = comfy, client_id
        self.protocol = ServerProtocol()
        self.lock = threading.Lock()

    def serve(self, exchange: Exchange) -> None:
        asked = exchange.request_read
        self.stream = exchange.wfile
        exchange.close_connection = True
        lines = [f"GET {asked.path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.headers.items())]
        self.protocol.receive_data("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        (request,) = self.protocol.events_received()
        self.protocol.send_response(self.protocol.accept(request))
        self._flush()
        self.comfy.sockets[self.client_id] = self
        self.send(
            json.dumps(
                {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": self.client_id}}
            )
        )
        with suppress(OSError):
            while data := exchange.connection.recv(4096):
                with self.lock:
                    self.protocol.receive_data(data)
                    self._flush()
                if self.protocol.state is not State.OPEN:
                    break  # its end of the closing handshake is sent
        self.comfy.sockets.pop(self.client_id, None)

    def send(self, message: str | bytes) -> None:
        with self.lock:
            if self.protocol.state is not State.OPEN:
                return
            if isinstance(message, str):
                self.protocol.send_text(message.encode())
            else:
                self.protocol.send_binary(message)
            self._flush()

    def _flush(self) -> None:
        with suppress(OSError, ValueError):
            for data in self.protocol.data_to_send():
                self.stream.write(data)
            self.stream.flush()
