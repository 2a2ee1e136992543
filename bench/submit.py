"""Submission by `generate` over HTTP on SQLite: commits that parallel requests share, against one commit for each.

Both are the real API, on the disk as it is and on one whose flush takes FLUSH_MS; a bare Starlette echo runs beside them. They
take turns, and medians of the turns' ratios are told. No worker runs.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time

import msgspec

from bench.figure import Figure
from bench.fixtures import LOAD_CORE, Fixture, Server, open_fixture, request, serve
from bench.load import Load, drive
from bench.samples import PROMPT
from imgen.records.writers import MOST_TOGETHER

CONNECTIONS = 32
LEAST_TIMES = 2.5
MOST_LATENCY = 1.15
"""Of one connection, whose requests share with none."""
FLUSH_MS = 3.0
"""Commit of a job on the disk that the design was measured on: 3.3 ms in all."""
SETTINGS = 'default_plan = "unlimited"\n[jobs]\nmax_queued = 1000000\n'
PYTHON = [sys.executable, "-m"]
_Servers = dict[str, tuple[Fixture, Server]]


def measure(*, rounds: int = 7, seconds: float = 1.5) -> list[Figure]:
    """Measures rates at 32 connections, and the median latency at one."""
    figures = []
    for where, flush_ms in ((f"a disk of {FLUSH_MS:g} ms", FLUSH_MS), ("this disk", 0.0)):
        with contextlib.ExitStack() as opened:
            servers: _Servers = {}
            for name, most in (("shared", MOST_TOGETHER), ("single", 1)):
                fixture = opened.enter_context(open_fixture(SETTINGS))
                command = [*PYTHON, "bench.commits", str(most), str(flush_ms), "--data", str(fixture.data)]
                servers[name] = fixture, opened.enter_context(serve(command))
            echo = opened.enter_context(serve([*PYTHON, "bench.baselines", "echo"]))
            servers["echo"] = servers["shared"][0], echo
            many = _drive_in_turns(servers, connections=CONNECTIONS, rounds=rounds, seconds=seconds)
            one = _drive_in_turns(servers, connections=1, rounds=rounds, seconds=seconds)
        figures += [
            Figure(
                what=f"submit, shared / single, {where}",
                value=_ratio(many["shared"], many["single"], "per_s"),
                at_least=LEAST_TIMES if flush_ms else None,
                detail=f"{_told('shared', many)}; {_told('single', many)}",
            ),
            Figure(
                what=f"submit p50, 1 connection, {where}",
                value=_ratio(one["shared"], one["single"], "p50_s"),
                at_most=MOST_LATENCY,
                detail=f"{_told('shared', one)}; {_told('single', one)}",
            ),
        ]
    flush_ms = _flush_s() * 1e3
    return [
        *figures,
        Figure(
            what="submit, share of an echo",
            value=_ratio(many["shared"], many["echo"], "per_s"),
            detail=f"{_told('echo', many)}; a flush of this disk takes {flush_ms:.2f} ms",
        ),
    ]


def _drive_in_turns(servers: _Servers, *, connections: int, rounds: int, seconds: float) -> dict[str, list[Load]]:
    body = msgspec.json.encode({"action": "generate", "prompt": PROMPT})
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, (fixture, server) in servers.items():
            asked = request(fixture, "/api/v2", body)
            loads[name].append(drive(server.port, asked, connections=connections, seconds=seconds, core=LOAD_CORE))
    return loads


def _ratio(ours: list[Load], theirs: list[Load], field: str) -> float:
    return statistics.median(getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True))


def _told(name: str, loads: dict[str, list[Load]]) -> str:
    rate, p50, p99 = (
        statistics.median(getattr(load, field) for load in loads[name]) for field in ("per_s", "p50_s", "p99_s")
    )
    return f"{name} {rate:,.0f}/s, p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms"


def _flush_s() -> float:
    """Returns the median time of a flush of 4 KiB in the folder of the fixtures."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)
