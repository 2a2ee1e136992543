"""Streams of events of real API processes: across a kill, in a second process, at a stop, for a key that is disabled."""

import contextlib
import signal
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx2
import pytest
from servers.api import start_api
from servers.event_reader import read_events
from surfaces.processes.calls import generate

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.live import job_views, news
from imgen.live.executors import BlockingExecutor
from imgen.records import job_transitions, jobs

FINISH = {"queue": "finish", "master_key": "work/x", "timings": {}}
FINISHED = ["IN_PROGRESS", "IN_PROGRESS", "FAILED"]
"""Answers to the transitions of `finish`."""


@pytest.fixture
def worker(shared_database, redis):
    """A worker's moves, without its pictures."""
    live = BlockingExecutor(redis.url)

    class Worker:
        def move(self, function, *args, **kwargs):
            moved = shared_database.attempt(function, *args, **kwargs)
            live.run(news.moved(moved, live.run_id))
            return moved

        def claim(self, job_id, waiting=State.QUEUED):
            return self.move(job_transitions.claim, job_id, waiting=waiting, lease_s=600, max_attempts=3)

        def further(self, job, share):
            live.run(job_views.set_progress(job.id, share, fence=job.fence, news=(news.progressed(job, share),)))

        def finish(self, job):
            rendered = self.move(job_transitions.hand_on, job, **FINISH)
            self.claim(rendered.id, State.RENDERED)
            with shared_database.read() as connection:
                running = jobs.find(connection, job.id)
            return self.move(job_transitions.end, running, State.FAILED, Outcome(error="Generation failed"))

    yield Worker()
    live.close()


@contextlib.contextmanager
def another(api, name):
    """A further process over the same data, to be killed or stopped."""
    with start_api(api.data, environ=api.environ, name=name) as process:
        process.key = api.key
        yield process


def new_job(api):
    return generate(api).json()["id"]


def told(events):
    return [event["status"] for event in events]


def test_both_processes_tell_what_happens(pair, worker):
    """A job of one process is followed in both, progress between its transitions, up to the end of the stream."""
    job_id = new_job(pair[0])
    seen = []
    with contextlib.ExitStack() as opened:
        streams = [opened.enter_context(read_events(api.url, api.key, job_id)) for api in pair]
        for stream in streams:
            assert stream.next()["status"] == "IN_QUEUE"
        running = worker.claim(job_id)
        for stream in streams:
            stream.until(lambda event: event["status"] == "IN_PROGRESS")
        for share in (0.25, 0.5):
            worker.further(running, share)
            for stream in streams:
                event = stream.until(lambda event: "progress" in event)
                assert event["progress"] == round(0.9 * share, 3)
        worker.finish(running)
        seen = [stream.rest() for stream in streams]
        assert {stream.last_id for stream in streams} == {streams[0].last_id}
    for rest in seen:
        assert told(rest) == FINISHED
        assert rest[-1] == {"id": job_id, "status": "FAILED", "error": "Generation failed", "code": "generation_failed"}


def test_a_kill_in_the_middle_loses_nothing(pair, worker):
    """kill -9 of the process that streams: in the other one the stream goes on where it broke, all transitions in order."""
    job_id = new_job(pair[0])
    with another(pair[0], "doomed") as doomed, read_events(doomed.url, doomed.key, job_id) as stream:
        assert stream.next()["status"] == "IN_QUEUE"
        running = worker.claim(job_id)
        stream.until(lambda event: event["status"] == "IN_PROGRESS")
        doomed.process.send_signal(signal.SIGKILL)
        doomed.process.wait(10)
        with pytest.raises(httpx2.HTTPError):
            stream.rest()
    worker.finish(running)
    with read_events(pair[1].url, pair[1].key, job_id, after=stream.last_id) as again:
        assert told(again.rest()) == FINISHED
    headers = {"Authorization": f"Bearer {pair[0].key}", "Last-Event-ID": again.last_id}
    last = httpx2.get(f"{pair[0].url}/api/v2/events", params={"id": job_id}, headers=headers)
    assert (last.status_code, last.content) == (204, b"")
    with read_events(pair[0].url, pair[0].key, job_id, after="nonsense") as anew:
        assert told(anew.rest()) == ["FAILED"]


def test_a_stop_ends_the_streams_at_once(api, worker):
    """SIGTERM: open streams end as they should, long before the time that requests get, and the process ends."""
    job_id = new_job(api)
    with another(api, "stopped") as stopped, read_events(stopped.url, stopped.key, job_id) as stream:
        assert stream.next()["status"] == "IN_QUEUE"
        began = time.monotonic()
        stopped.process.send_signal(signal.SIGTERM)
        assert stream.rest() == []
        assert stopped.process.wait(30) == -signal.SIGTERM
        assert time.monotonic() - began < 8  # uvicorn waits 10 s for requests
        assert "Traceback" not in stopped.log.read_text()


def test_a_disabled_key_loses_its_stream(pair):
    """Within seconds, in a process that did not disable it; other keys' streams stay."""
    key = pair[0].imgen("keys", "create", "listener", "--tenant", "first")
    with (
        read_events(pair[1].url, pair[1].key, timeout_s=20) as other,
        read_events(pair[1].url, key, timeout_s=20) as stream,
    ):
        pair[0].imgen("keys", "disable", "listener")
        assert stream.rest() == []
        new_job(pair[0])
        assert other.next()["status"] == "IN_QUEUE"


def test_a_reader_that_does_not_read_costs_nothing(api):
    """It stays connected and takes nothing: others are told as quickly as ever."""
    host, port = urlsplit(api.url).hostname, urlsplit(api.url).port
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect((host, port))
        lazy.sendall(f"GET /api/v2/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n\r\n".encode())
        with read_events(api.url, api.key) as stream:
            made = []
            maker = threading.Thread(target=lambda: made.extend(new_job(api) for _ in range(100)))
            maker.start()
            seen = [stream.next()["id"] for _ in range(100)]
            maker.join()
    assert seen == made
