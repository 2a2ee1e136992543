"""HTTP/1.1 by hand over keep-alive sockets: sends what no client library would, and reads whatever comes back."""

import json
import select
import socket
from collections.abc import Sequence
from typing import NamedTuple


class Answer(NamedTuple):
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The text of an error, whose form is checked: a JSON object with `error` alone."""
        told = json.loads(self.body)
        assert list(told) == ["error"], told
        assert isinstance(told["error"], str)
        return told["error"]


class Wire:
    """One connection."""

    def __init__(self, port: int, timeout_s: float = 30) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._open()

    def send(self, data: bytes) -> None:
        """Sends; on a fresh connection where the server has closed the idle one."""
        if select.select([self.link], [], [], 0)[0]:
            self.close()
            self._open()
        self.link.sendall(data)

    def receive(self) -> Answer | None:
        """The next response, past any `100 Continue`; None: closed without one."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not self._more():
                assert not self._buffer, self._buffer
                return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        size = end + 4 + int(headers.get("content-length", 0))
        while len(self._buffer) < size:
            assert self._more(), "closed in the middle of a body"
        body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
        return self.receive() if status == 100 else Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Whether the server has ended the connection and nothing is left to read."""
        return not self._buffer and not self._more()

    def close(self) -> None:
        self.link.close()

    def _open(self) -> None:
        self.link = socket.create_connection(("127.0.0.1", self._port), timeout=self._timeout_s)
        self._buffer = b""

    def _more(self) -> bool:
        try:
            chunk = self.link.recv(1 << 16)
        except ConnectionError:
            chunk = b""
        self._buffer += chunk
        return bool(chunk)


def post(body: bytes, *, key: str, path: str = "/api/v2", **headers: str) -> bytes:
    """A well-framed request; `headers` with `_` for `-`, an empty one is left out."""
    given = {"Host": "127.0.0.1", "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    given |= {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def exchange(wires: Sequence[Wire], requests: Sequence[bytes]) -> list[Answer | None]:
    """Sends one request on each connection before it reads an answer."""
    used = wires[: len(requests)]
    for wire, request in zip(used, requests, strict=True):
        wire.send(request)
    return [wire.receive() for wire in used]
