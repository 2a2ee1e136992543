"""API process: time from start to first answer, and resident memory, idle and after a load of polls."""

import statistics

import psutil

from bench.figure import Figure
from bench.fixtures import LOAD_CORE, open_fixture, request, serve_api
from bench.load import drive

STARTS = 5
MOST_SECONDS = 1.5
MOST_MB = 100


def measure(*, starts: int = STARTS, seconds: float = 2) -> list[Figure]:
    """Measures the median start, and resident memory of the last process."""
    with open_fixture() as fixture:
        times, idle_mb, loaded_mb = [], [], []
        asked = request(fixture, "/api/v2", b'{"action":"usage"}')
        for _ in range(starts):
            with serve_api(fixture) as server:
                times.append(server.ready_in_s)
                process = psutil.Process(server.pid)
                idle_mb.append(process.memory_info().rss / 1e6)
                drive(server.port, asked, connections=8, seconds=seconds, core=LOAD_CORE)
                loaded_mb.append(process.memory_info().rss / 1e6)
    return [
        Figure(what="API start", value=statistics.median(times), unit="s", at_most=MOST_SECONDS),
        Figure(what="API memory", value=statistics.median(idle_mb), unit="MB", at_most=MOST_MB, detail="resident"),
        Figure(
            what="API memory under load",
            value=statistics.median(loaded_mb),
            unit="MB",
            at_most=MOST_MB,
            detail=f"resident, after {seconds:g} s of `usage` on 8 connections",
        ),
    ]
