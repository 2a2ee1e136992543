"""Polls of one API process by `status`, alone and beside 2,000 clients that wait on streams of events for jobs of their own.

Turns without and with the waiters alternate, so that a slow moment of the machine hits both; the figure is the median of their
ratios. News come all the while: progress of the awaited jobs, as workers send it.
"""

import contextlib
import os
import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec
import psutil
from msgspec import structs

from bench.figure import Figure
from bench.fixtures import HOST, LOAD_CORE, Fixture, Server, open_fixture, request, serve_api
from bench.load import drive
from bench.samples import outcome_of, queued_job
from imgen.domain.job import Job, State, view_of
from imgen.live import job_views, news
from imgen.live.executors import BlockingExecutor
from imgen.records import job_transitions, jobs

WAITERS = 2000
CONNECTIONS = 32
NEWS_PER_S = 50
LEAST_SHARE = 0.9
SETTINGS = f"[http]\nevent_streams = {WAITERS}\n[jobs]\nlease_s = 3600\ndeadline_s = 36000\n"


def measure(*, waiters: int = WAITERS, rounds: int = 5, seconds: float = 3) -> list[Figure]:
    """Measures the share of the polls' rate that is left beside the waiters, and the memory of one."""
    _allow_files(2 * waiters + 1000)
    with open_fixture(SETTINGS) as fixture, serve_api(fixture) as server:
        polled, awaited = polled_job(fixture), _running_jobs(fixture, waiters)
        asked = request(fixture, "/api/v2", msgspec.json.encode({"action": "status", "id": polled.id}))

        def polls_per_s() -> float:
            return drive(server.port, asked, connections=CONNECTIONS, seconds=seconds, core=LOAD_CORE).per_s

        rates: dict[str, list[float]] = {"alone": [], "beside": []}
        kib: list[float] = []
        for _ in range(rounds):
            rates["alone"].append(polls_per_s())
            before = memory(server)
            with _streams(fixture, server, awaited), _news(fixture, awaited):
                kib.append((memory(server) - before) / waiters / 1024)
                rates["beside"].append(polls_per_s())
    told = "; ".join(f"{name} {statistics.median(taken):,.0f}/s" for name, taken in rates.items())
    return [
        Figure(
            what=f"status beside {waiters:,} waiters / alone",
            value=statistics.median(many / none for none, many in zip(rates["alone"], rates["beside"], strict=True)),
            at_least=LEAST_SHARE,
            detail=f"{told}; {NEWS_PER_S} news/s; {max(kib):.0f} KiB a waiter",
        )
    ]


def polled_job(fixture: Fixture) -> Job:
    """Stores a completed job with its view."""
    waiting = queued_job(fixture.principal, queue="render.eros")
    job = structs.replace(waiting, state=State.COMPLETED, outcome=outcome_of(waiting), ended_at=waiting.created_at + 7)
    fixture.database.attempt(jobs.add, job)
    fixture.live.run(job_views.set_view(job.id, view_of(job), fixture.live.run_id))
    return job


def _running_jobs(fixture: Fixture, number: int) -> list[Job]:
    made = [queued_job(fixture.principal, queue="render.eros") for _ in range(number)]
    running = []
    with fixture.database.write() as connection:
        for job in made:
            stored = jobs.add_now(connection, job)
            claimed = job_transitions.claim(connection, stored.id, waiting=State.QUEUED, lease_s=3600, max_attempts=3)
            assert claimed is not None
            running.append(claimed)
    return running


@contextlib.contextmanager
def _streams(fixture: Fixture, server: Server, awaited: Sequence[Job]) -> Iterator[None]:
    """Opens a stream for each job, and a thread that reads what comes."""
    opened = []
    for job in awaited:
        stream = socket.create_connection((HOST, server.port))
        head = f"GET /api/v2/events?id={job.id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {fixture.raw_key}\r\n\r\n"
        stream.sendall(head.encode())
        opened.append(stream)
    for stream in opened:
        seen = b""
        while b"event: status" not in seen:
            seen += (chunk := stream.recv(65536))
            assert chunk, seen
    with drained(opened):
        yield


@contextlib.contextmanager
def drained(opened: Sequence[socket.socket]) -> Iterator[None]:
    """Reads what comes on connections while the block runs, in a thread; closes them at its end."""
    stopping = threading.Event()
    reader = threading.Thread(target=_drain, args=(opened, stopping), daemon=True)
    reader.start()
    try:
        yield
    finally:
        stopping.set()
        reader.join()
        for stream in opened:
            stream.close()


def _drain(streams: Sequence[socket.socket], stopping: threading.Event) -> None:
    import select

    os.sched_setaffinity(0, {LOAD_CORE})
    epoll = select.epoll()
    by_number = {stream.fileno(): stream for stream in streams}
    for number in by_number:
        epoll.register(number, select.EPOLLIN)
    while not stopping.is_set():
        for number, _ in epoll.poll(0.2):
            by_number[number].recv(65536)
        time.sleep(0.05)


@contextlib.contextmanager
def _news(fixture: Fixture, awaited: Sequence[Job]) -> Iterator[None]:
    """Sends progress of one awaited job after the other, as their workers would."""
    stopping = threading.Event()

    def tell() -> None:
        os.sched_setaffinity(0, {LOAD_CORE})
        live, number = BlockingExecutor(fixture.redis_url), 0
        while not stopping.wait(1 / NEWS_PER_S):
            job, share = awaited[number % len(awaited)], (1 + number // len(awaited)) / news.STEPS
            told = (news.progressed(job, share),)
            live.run(job_views.set_progress(job.id, share, fence=job.fence, news=told))
            number += 1
        live.close()

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        yield
    finally:
        stopping.set()
        teller.join()


def memory(server: Server) -> int:
    """Returns the resident memory of a server, in bytes."""
    return psutil.Process(server.pid).memory_info().rss


def _allow_files(number: int) -> None:
    """Raises this process's limit of open files, which the servers inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(number, hard)), hard))
