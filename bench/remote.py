"""Remote jobs: 200 pictures of two seconds each at an engine elsewhere, 32 at once on one worker, against the ideal time.

The engine is a server in a process of its own, which speaks OpenAI's images and takes two seconds for each picture; the worker is
a real `imgen worker`. Measured is the render phase, from the first message to the last picture in the object store: finish
workers are other processes, and none runs. Rounds follow one another on the same worker, whose memory is read while it works.

Then the engine's process ends, and a job goes to another one; and the engine is back, and jobs go to it again.
"""

import base64
import contextlib
import io
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import psutil
from msgspec import structs
from PIL import Image
from sqlalchemy import func, select

from bench.figure import Figure
from bench.fixtures import HOST, LOAD_CORE, Fixture, await_ready, free_port, open_fixture, run_process
from bench.samples import queued_job
from imgen.domain.job import State, render_queue
from imgen.live import waiting
from imgen.live.queue import Publisher
from imgen.records import jobs
from imgen.records.tables.engines import engine_calls
from imgen.records.tables.jobs import jobs as rows

MODEL = "eros"
JOBS, AT_ONCE, ROUNDS = 200, 32, 3
TAKES_S = 2.0
MOST_TIMES, MOST_MB, MOST_GROWTH_MB = 1.3, 400.0, 30.0
WITHIN_S = 300
FIRST, SECOND = "elsewhere", "spare"
PAUSE_S, QUICK_S = 5.0, 0.1
"""Pause of an engine that is down, and the time of a picture where the way to it is measured."""
MOST_FAILOVER_S, MOST_LATE_S = 2.0, 1.0
"""Longest time to a picture of the other engine, and of the first one after the end of its pause."""
MODELS = f"""
[{MODEL}]
backend = "remote"
source = ""
engines = [
    {{ engine = "{FIRST}", model = "bench", takes = ["seed", "steps", "guidance"] }},
    {{ engine = "{SECOND}", model = "bench" }},
]
"""


def measure(
    *, number: int = JOBS, at_once: int = AT_ONCE, rounds: int = ROUNDS, takes_s: float = TAKES_S
) -> list[Figure]:
    """Measures the median time over the ideal one, CPU, the worker's memory and its growth; and the ways around a dead engine."""
    port, spare = free_port(), free_port()
    with open_fixture() as fixture, _engine(spare, QUICK_S):
        (fixture.data / "models.toml").write_text(MODELS)
        (fixture.data / "engines.toml").write_text(_entry(FIRST, port, at_once) + _entry(SECOND, spare, 1))
        with _worker(fixture) as worker, contextlib.closing(Publisher(fixture.redis_url)) as publisher:
            with _engine(port, takes_s):
                _round(fixture, publisher, worker, at_once)  # imports, connections
                taken = [_round(fixture, publisher, worker, number) for _ in range(rounds)]
            failover_s = _round(fixture, publisher, worker, 1).seconds
            with _engine(port, QUICK_S):
                back_s = _back(fixture, publisher, worker)
    ideal_s = math.ceil(number / at_once) * takes_s
    seconds, memory = statistics.median(one.seconds for one in taken), [one.memory_mb for one in taken]
    cpu_s = statistics.median(one.cpu_s for one in taken) / number
    return [
        Figure(
            what=f"remote, {number} jobs, {at_once} at once",
            value=seconds / ideal_s,
            at_most=MOST_TIMES,
            detail=f"{seconds:.1f} s, ideal {ideal_s:.1f} s",
        ),
        Figure(what="remote, CPU of a job", value=cpu_s * 1000, unit="ms", detail="in the worker's process"),
        Figure(what="remote, worker's memory", value=max(memory), unit="MB", at_most=MOST_MB),
        Figure(
            what="remote, growth after round 1",
            value=max(0.1, memory[-1] - memory[0]),
            unit="MB",
            at_most=MOST_GROWTH_MB,
            detail=f"rounds: {', '.join(f'{one:.0f}' for one in memory)} MB",
        ),
        Figure(what="remote, past a dead engine", value=failover_s, unit="s", at_most=MOST_FAILOVER_S),
        Figure(
            what="remote, back to it",
            value=back_s,
            unit="s",
            at_most=PAUSE_S + MOST_LATE_S,
            detail=f"since it listens; its pause is {PAUSE_S:g} s",
        ),
    ]


def _entry(key: str, port: int, calls: int) -> str:
    return f'[{key}]\nkind = "openai"\nbase_url = "http://{HOST}:{port}/v1"\ncalls = {calls}\npause_s = {PAUSE_S}\n'


@contextlib.contextmanager
def _engine(port: int, takes_s: float) -> Iterator[None]:
    with run_process([sys.executable, "-m", "bench.remote", str(port), str(takes_s)], LOAD_CORE):
        await_ready(lambda: _listens(port))
        yield


def _listens(port: int) -> bool:
    return any(one.laddr.port == port for one in psutil.net_connections("tcp4") if one.status == psutil.CONN_LISTEN)


@contextlib.contextmanager
def _worker(fixture: Fixture) -> Iterator[psutil.Process]:
    """Runs a worker on all cores until the block ends; yields the process that works."""
    ready = fixture.data / "ready"
    options = ["--queues", render_queue(MODEL), "--ready-file", str(ready)]
    command = [sys.executable, "-m", "imgen.cli", "worker", "--data", str(fixture.data), *options]
    with run_process(command, LOAD_CORE) as pid:
        os.sched_setaffinity(pid, os.sched_getaffinity(0))
        await_ready(ready.exists, WITHIN_S)
        (child,) = psutil.Process(pid).children()
        yield child


@dataclass(frozen=True, kw_only=True)
class Round:
    """Jobs that were drawn side by side."""

    seconds: float
    """From the first message to the last picture."""
    memory_mb: float
    """Greatest memory of the worker's process."""
    cpu_s: float
    engine: str
    """Key of the engine that drew the last of them."""


def _back(fixture: Fixture, publisher: Publisher, worker: psutil.Process) -> float:
    """Returns the seconds until the first engine draws again."""
    started = time.perf_counter()
    while _round(fixture, publisher, worker, 1).engine != FIRST:
        if time.perf_counter() - started > WITHIN_S:
            raise TimeoutError(f"the engine draws nothing within {WITHIN_S} s")
    return time.perf_counter() - started


def _round(fixture: Fixture, publisher: Publisher, worker: psutil.Process, number: int) -> Round:
    """Has so many jobs drawn."""
    made = [queued_job(fixture.principal, queue=render_queue(MODEL)) for _ in range(number)]
    with fixture.database.write() as connection:
        for job in made:
            jobs.add(connection, structs.replace(job, recipe=structs.replace(job.recipe, model=MODEL)))
    for job in made:
        fixture.live.run(waiting.add(job))
    started, greatest, cpu_s = time.perf_counter(), 0, _cpu_s(worker)
    for job in made:
        publisher.publish(job.queue, job.id, job.priority)
    while _count(fixture, State.QUEUED, State.RENDERING):
        greatest = max(greatest, worker.memory_info().rss)
        if time.perf_counter() - started > WITHIN_S:
            raise TimeoutError(f"{number} jobs are not drawn within {WITHIN_S} s")
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    with fixture.database.read() as connection:
        called = select(engine_calls.c.engine).where(engine_calls.c.job_id == made[-1].id)
        engine = connection.execute(called.order_by(engine_calls.c.opened_at.desc()).limit(1)).scalar_one()
    return Round(seconds=seconds, memory_mb=greatest / 1e6, cpu_s=_cpu_s(worker) - cpu_s, engine=engine)


def _cpu_s(worker: psutil.Process) -> float:
    times = worker.cpu_times()
    return float(times.user + times.system)


def _count(fixture: Fixture, *states: State) -> int:
    with fixture.database.read() as connection:
        query = select(func.count()).select_from(rows).where(rows.c.state.in_(states))
        return connection.execute(query).scalar() or 0


def _serve(port: int, takes_s: float) -> None:
    """Serves OpenAI's images until a signal: one photograph-like picture, after a time."""
    import asyncio

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    noise = np.random.default_rng(1).integers(0, 256, (96, 168, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((1344, 768), Image.Resampling.BICUBIC).save(file, "PNG")
    body = b'{"created":1790000000,"data":[{"b64_json":"' + base64.b64encode(file.getvalue()) + b'"}]}'

    async def draw(_request: Request) -> Response:
        await asyncio.sleep(takes_s)
        return Response(body, media_type="application/json")

    app = Starlette(routes=[Route("/v1/images/generations", draw, methods=["POST"])])
    uvicorn.run(app, host=HOST, port=port, log_level="warning")


if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]))
