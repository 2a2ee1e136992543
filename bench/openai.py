"""Memory of one API process while OpenAI's dialect answers 32 requests at once, each with four PNG files in base64.

The clients hold back until every answer has begun, then read all of them side by side. By its idempotency key a request gets the
pictures of the first one.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import psutil

from bench.drawing import drawing, write_models
from bench.figure import Figure
from bench.fixtures import HOST, Fixture, open_fixture, request, serve_api

ANSWERS, PICTURES = 32, 4
MOST_MB = 200
SAMPLE_EVERY_S = 0.01
TIMEOUT_S = 120
SETTINGS = 'default_plan = "unlimited"\n'


def measure(*, answers: int = ANSWERS, pictures: int = PICTURES) -> list[Figure]:
    """Measures the growth of the process at its highest."""
    with open_fixture(SETTINGS) as fixture:
        write_models(fixture)
        with serve_api(fixture) as server, drawing(fixture) as draw:
            asked = _request(fixture, pictures)
            draw(lambda: _read(_opened(server.port, asked)))
            size_bytes = _read(_opened(server.port, asked))
            process = psutil.Process(server.pid)
            before = process.memory_info().rss
            with _highest(process) as seen:
                links = [_opened(server.port, asked) for _ in range(answers)]
                for link in links:
                    link.recv(1, socket.MSG_PEEK)
                with ThreadPoolExecutor(answers) as pool:
                    sizes = list(pool.map(_read, links))
    if sizes != [size_bytes] * answers:
        raise AssertionError(f"answers of {sorted(set(sizes))} bytes, and one of {size_bytes} before")
    return [
        Figure(
            what=f"openai: {answers} answers in base64",
            value=max(1, seen[0] - before) / 2**20,
            unit="MB",
            at_most=MOST_MB,
            detail=f"{pictures} PNG files and {size_bytes / 2**20:.1f} MB each; process of {before / 2**20:.0f} MB",
        )
    ]


def _request(fixture: Fixture, pictures: int) -> bytes:
    body = msgspec.json.encode({"prompt": "a red coat", "n": pictures, "size": "1024x1024"})
    head, _, rest = request(fixture, "/v1/images/generations", body).partition(b"\r\n\r\n")
    return head + b"\r\nIdempotency-Key: bench\r\nConnection: close\r\n\r\n" + rest


def _opened(port: int, asked: bytes) -> socket.socket:
    """Returns a connection on which the request is sent."""
    link = socket.create_connection((HOST, port), timeout=TIMEOUT_S)
    link.sendall(asked)
    return link


def _read(link: socket.socket) -> int:
    """Reads an answer, which must have pictures, to its end; returns its bytes without the head."""
    with link, link.makefile("rb") as file:
        if b" 200 " not in file.readline():
            raise AssertionError(file.read().decode())
        while file.readline().strip():
            pass
        body = file.read()
    if not json.loads(body)["data"]:
        raise AssertionError("an answer without pictures")
    return len(body)


@contextlib.contextmanager
def _highest(process: psutil.Process) -> Iterator[list[int]]:
    """Keeps the highest memory of a process, in bytes, in a list of one."""
    seen, has_ended = [process.memory_info().rss], threading.Event()

    def sample() -> None:
        while not has_ended.wait(SAMPLE_EVERY_S):
            seen[0] = max(seen[0], process.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        has_ended.set()
        thread.join()
