"""Polling of a finished job by `status` over HTTP, against a bare Starlette echo and against sync redis-py in the thread pool.

Each server has a core of its own; the load and Redis share the other. The three take turns, and medians of the turns' ratios
are told, so that a slow moment of the machine hits all of them.
"""

import contextlib
import statistics
import sys

import msgspec
import psutil
from msgspec import structs

from bench.figure import Figure
from bench.fixtures import LOAD_CORE, Fixture, Server, open_fixture, request, serve, serve_api
from bench.load import drive
from bench.samples import outcome_of, queued_job
from imgen.domain.job import State, view_of
from imgen.live import job_views
from imgen.records import jobs

CONNECTIONS = 32
LEAST_OF_ECHO = 0.45
LEAST_OF_SYNC = 2.5


def measure(*, rounds: int = 7, seconds: float = 1.5) -> list[Figure]:
    """Measures the throughput of `status` as a share of the echo's, and as a multiple of the sync version's."""
    with open_fixture() as fixture, contextlib.ExitStack() as servers:
        job = _finished_job(fixture)
        body = msgspec.json.encode(
            {"action": "status", "id": job.id, "prompt": job.recipe.prompt_parts.prompt, "model": "eros"}
        )
        baseline = [sys.executable, "-m", "bench.baselines"]
        running: dict[str, Server] = {
            "status": servers.enter_context(serve_api(fixture)),
            "echo": servers.enter_context(serve([*baseline, "echo"])),
            "sync": servers.enter_context(serve([*baseline, "sync", "--data", str(fixture.data)])),
        }
        asked = request(fixture, "/api/v2", body)
        rates: dict[str, list[float]] = {name: [] for name in running}
        p99_s: dict[str, list[float]] = {name: [] for name in running}
        cpu_s: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, server in running.items():
                before = _cpu_s(server)
                load = drive(server.port, asked, connections=CONNECTIONS, seconds=seconds, core=LOAD_CORE)
                rates[name].append(load.per_s)
                p99_s[name].append(load.p99_s)
                cpu_s[name].append((_cpu_s(server) - before) / load.requests)

    def told(name: str) -> str:
        rate, p99, cpu = (statistics.median(taken[name]) for taken in (rates, p99_s, cpu_s))
        return f"{name} {rate:,.0f}/s, p99 {p99 * 1e3:.0f} ms, {cpu * 1e6:.0f} µs CPU"

    def ratio(other: str) -> float:
        return statistics.median(ours / theirs for ours, theirs in zip(rates["status"], rates[other], strict=True))

    return [
        Figure(
            what="status / echo",
            value=ratio("echo"),
            at_least=LEAST_OF_ECHO,
            detail=f"{told('status')}; {told('echo')}",
        ),
        Figure(what="status / sync", value=ratio("sync"), at_least=LEAST_OF_SYNC, detail=told("sync")),
    ]


def _finished_job(fixture: Fixture):
    waiting = queued_job(fixture.principal, queue="render.eros")
    job = structs.replace(waiting, state=State.COMPLETED, outcome=outcome_of(waiting), ended_at=waiting.created_at + 7)
    with fixture.database.write() as connection:
        jobs.add(connection, job)
    fixture.live.run(job_views.set_view(job.id, view_of(job), fixture.live.run_id))
    return job


def _cpu_s(server: Server) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system
