"""Load generator that costs little: one thread, one epoll, the same bytes again and again over keep-alive connections.

`python -m bench.load PORT CONNECTIONS SECONDS CORE < request` prints JSON. Of an answer only status and length are read.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
CHUNK = 256 * 1024


@dataclass(frozen=True)
class Load:
    """Rate and latencies under load."""

    per_s: float
    p50_s: float
    p99_s: float
    requests: int


def drive(port: int, request: bytes, *, connections: int, seconds: float, core: int) -> Load:
    """Sends `request` over and over from a process of its own, one at a time on each connection.

    Raises:
        subprocess.CalledProcessError: an answer was no success.
    """
    command = [sys.executable, "-m", "bench.load", *map(str, (port, connections, seconds, core))]
    done = subprocess.run(command, input=request, stdout=subprocess.PIPE, check=True)
    return Load(**json.loads(done.stdout))


def run(port: int, request: bytes, connections: int, seconds: float) -> Load:
    """Sends `request` over and over in this process; see `drive`."""
    epoll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    sent_at: dict[int, float] = {}
    partial: dict[int, bytes] = {}
    for _ in range(connections):
        opened = socket.create_connection((HOST, port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[opened.fileno()] = opened
        epoll.register(opened.fileno(), select.EPOLLIN)
    times: list[float] = []
    clock = time.perf_counter
    started = now = clock()
    for number, opened in sockets.items():
        sent_at[number] = clock()
        opened.send(request)
    while now - started < seconds:
        for number, _ in epoll.poll(5):
            answer = partial.pop(number, b"") + sockets[number].recv(CHUNK)
            if not is_whole(answer):
                partial[number] = answer
                continue
            now = clock()
            times.append(now - sent_at[number])
            sent_at[number] = now
            sockets[number].send(request)
    for opened in sockets.values():
        opened.close()
    times.sort()
    return Load(len(times) / (now - started), times[len(times) // 2], times[len(times) * 99 // 100], len(times))


def is_whole(answer: bytes) -> bool:
    """Returns whether the answer is complete.

    Raises:
        ValueError: it is no success, or the connection was closed.
    """
    if not answer.startswith(b"HTTP/1.1 20"[: len(answer)]) or not answer:
        raise ValueError(f"answered {answer[:400]!r}")
    head = answer.find(b"\r\n\r\n")
    length = _LENGTH.search(answer, 0, head) if head >= 0 else None
    return length is not None and len(answer) >= head + 4 + int(length[1])


if __name__ == "__main__":
    port, connections, seconds, core = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    print(json.dumps(run(int(port), sys.stdin.buffer.read(), int(connections), float(seconds)).__dict__))
