"""First step: from the commit of a job to its first denoising step, over Redis, Celery and a worker that has loaded its model.

A real `imgen worker` with the starter model draws small pictures one after the other, each with a prompt of its own. The step is
heard of as clients hear of it: by the news that the step's callback publishes. So the time has the step itself in it.
"""

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator

import redis
from msgspec import structs

from bench.figure import Figure
from bench.fixtures import SERVER_CORE, Fixture, await_ready, open_fixture, run_process
from bench.samples import queued_job
from imgen.domain.job import Job, State, render_queue
from imgen.live import news, waiting
from imgen.live.queue import Publisher
from imgen.records import jobs

MODEL = "eros"
PICTURES = 30
STEPS = 4
EDGE = 256
MOST_MS = 100
LOADED_WITHIN_S = 120
HEARD_WITHIN_S = 30


def measure(*, pictures: int = PICTURES) -> list[Figure]:
    """Measures the median over pictures; the first two, which warm the worker up, are not counted."""
    with open_fixture() as fixture, _worker(fixture), contextlib.closing(Publisher(fixture.redis_url)) as publisher:
        seconds = [_first_step_s(fixture, publisher, number) for number in range(pictures + 2)][2:]
    worst = statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
    return [
        Figure(
            what="commit to first step",
            value=statistics.median(seconds) * 1e3,
            unit="ms",
            at_most=MOST_MS,
            detail=f"median of {len(seconds)}, p95 {worst * 1e3:.0f} ms; starter, {EDGE}×{EDGE}, its step included",
        )
    ]


@contextlib.contextmanager
def _worker(fixture: Fixture) -> Iterator[None]:
    """Runs a worker until the block ends, which begins when its model is loaded."""
    ready = fixture.data / "ready"
    options = ["--queues", render_queue(MODEL), "--preload", MODEL, "--ready-file", str(ready)]
    command = [sys.executable, "-m", "imgen.cli", "worker", "--data", str(fixture.data), *options]
    with run_process(command, SERVER_CORE):
        await_ready(ready.exists, LOADED_WITHIN_S)
        yield


def _first_step_s(fixture: Fixture, publisher: Publisher, number: int) -> float:
    """Returns the seconds for one job, once the worker has nothing more to do."""
    job = _small_job(fixture, number)
    with redis.Redis.from_url(fixture.redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(news.channel(job.tenant_id))
        heard.get_message(timeout=HEARD_WITHIN_S)  # the confirmation
        with fixture.database.write() as connection:
            job = jobs.add_now(connection, job)
        committed = time.perf_counter()
        for command in (news.moved(job, fixture.live.run_id), waiting.add(job)):
            fixture.live.run(command)
        publisher.publish(job.queue, job.id, job.priority)
        while True:
            message = heard.get_message(timeout=HEARD_WITHIN_S)
            if message is None:
                raise TimeoutError(f"no step within {HEARD_WITHIN_S} s")
            told = news.parse(message["data"])
            if told is not None and told.job_id == job.id and told.progress is not None:
                seconds = time.perf_counter() - committed
                break
    await_ready(lambda: _state(fixture, job) is State.RENDERED)
    return seconds


def _small_job(fixture: Fixture, number: int) -> Job:
    job = queued_job(fixture.principal, queue=render_queue(MODEL), steps=STEPS)
    positive = f"{job.recipe.diffusion.positive}, number {number}"
    diffusion = structs.replace(job.recipe.diffusion, positive=positive, width=EDGE, height=EDGE)
    return structs.replace(job, recipe=structs.replace(job.recipe, diffusion=diffusion))


def _state(fixture: Fixture, job: Job) -> State:
    with fixture.database.read() as connection:
        return jobs.find(connection, job.id).state
