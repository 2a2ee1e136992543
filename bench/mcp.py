"""Polls of one API process by `status`, beside 200 agents over MCP: calls of `list_models` at first, then waits for pictures.

Half of the agents are of each kind of protocol versions. Turns without and with the agents alternate; the figures are the median
of their ratios, and the most memory that the process ever had.
"""

import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Iterator

import msgspec

from bench.figure import Figure
from bench.fixtures import HOST, LOAD_CORE, Fixture, Server, open_fixture, request, serve_api
from bench.load import drive, is_whole
from bench.waiting import drained, memory, polled_job

AGENTS = 200
CONNECTIONS = 32
MOST_SLOWDOWN = 1.5
MOST_MIB = 250
SETTINGS = "[jobs]\nmax_queued = 1000000\ndeadline_s = 36000\n[forge]\nanonymous = false\n[mcp]\nwait_s = 600\n"
MODERN, OLDER = "2026-07-28", "2025-11-25"
ANSWERED_WITHIN_S = 60


def measure(*, agents: int = AGENTS, rounds: int = 5, seconds: float = 2) -> list[Figure]:
    """Measures the slowdown of polls beside agents, and the memory of the process."""
    with open_fixture(SETTINGS) as fixture, serve_api(fixture) as server:
        polled = polled_job(fixture)
        asked = request(fixture, "/api/v2", msgspec.json.encode({"action": "status", "id": polled.id}))

        def seconds_a_poll() -> float:
            return 1 / drive(server.port, asked, connections=CONNECTIONS, seconds=seconds, core=LOAD_CORE).per_s

        started, most = memory(server), 0
        with _agents(fixture, server, 1):  # the first one has the package loaded
            pass
        loaded = memory(server)
        slowdowns, listing_s = [], []
        for _ in range(rounds):
            alone = seconds_a_poll()
            before = time.perf_counter()
            with _agents(fixture, server, agents):
                listing_s.append(time.perf_counter() - before)
                most = max(most, memory(server))
                slowdowns.append(seconds_a_poll() / alone)
                most = max(most, memory(server))
    mib = 1024 * 1024
    return [
        Figure(
            what=f"time of a poll beside {agents} waiting agents / alone",
            value=statistics.median(slowdowns),
            at_most=MOST_SLOWDOWN,
            detail=f"{agents} calls of list_models, then of generate_image, begun in {statistics.median(listing_s):.1f} s",
        ),
        Figure(
            what=f"memory of the API process with {agents} agents",
            value=most / mib,
            unit="MiB",
            at_most=MOST_MIB,
            detail=f"{started / mib:.0f} MiB without the mcp package, {loaded / mib:.0f} with it",
        ),
    ]


@contextlib.contextmanager
def _agents(fixture: Fixture, server: Server, number: int) -> Iterator[None]:
    """Opens connections that each list the models, then wait for a picture that nobody draws."""
    opened = [socket.create_connection((HOST, server.port)) for _ in range(number)]
    tools: dict[str, dict[str, str]] = {"list_models": {}, "generate_image": {"prompt": "a red coat"}}
    for name, arguments in tools.items():
        for at, stream in enumerate(opened):
            stream.sendall(_call(fixture, name, arguments, OLDER if at % 2 else MODERN))
        for stream in opened:
            _read_until(stream, _is_answered if name == "list_models" else _waits)
    with drained(opened):
        yield


def _call(fixture: Fixture, name: str, arguments: dict[str, str], version: str) -> bytes:
    """Formats a call of a tool as bytes on the wire."""
    meta: dict[str, object] = {"progressToken": 1}
    more = ""
    if version == MODERN:
        meta |= {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        more = f"Mcp-Method: tools/call\r\nMcp-Name: {name}\r\n"
    params = {"name": name, "arguments": arguments, "_meta": meta}
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {fixture.raw_key}\r\n{more}"
        f"MCP-Protocol-Version: {version}\r\nAccept: application/json, text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _read_until(stream: socket.socket, is_enough: Callable[[bytes], bool]) -> None:
    stream.settimeout(ANSWERED_WITHIN_S)
    seen = b""
    while not is_enough(seen):
        chunk = stream.recv(65536)
        assert chunk, seen
        seen += chunk


def _is_answered(seen: bytes) -> bool:
    """Returns whether an answer is complete: JSON of a declared length, or a chunked stream of events."""
    return seen.endswith(b"0\r\n\r\n") if b"chunked" in seen else bool(seen) and is_whole(seen)


def _waits(seen: bytes) -> bool:
    return b"notifications/progress" in seen
