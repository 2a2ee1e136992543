"""Drawing for benchmarks whose requests need finished pictures: the instant engine, by a worker in the benchmark's process."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import select

from bench.fixtures import Fixture
from imgen import settings
from imgen.domain.job import OPEN
from imgen.records.tables.jobs import jobs
from workers import tasks
from workers.resources import open_resources

T = TypeVar("T")
Draw = Callable[[Callable[[], T]], T]
"""Sends a request and draws what it makes; returns its answer, which may wait for the pictures."""

MODELS = """
[instant]
label = "Instant"
source = "none"
backend = "instant"
steps = { default = 4 }
guidance = { default = 3.5 }
time_limit_s = 60
default_style = "plain"
styles = { plain = { label = "Plain" } }
"""
LOOK_EVERY_S = 0.02


def write_models(fixture: Fixture) -> None:
    """Makes the instant engine the first model of a data folder; call it before its API starts."""
    (fixture.data / "models.toml").write_text(MODELS)


@contextlib.contextmanager
def drawing(fixture: Fixture) -> Iterator[Draw[T]]:
    """Opens a worker's resources over the data folder."""
    resources = open_resources(settings.load(fixture.data))

    def open_jobs() -> list[str]:
        with fixture.database.read() as connection:
            return list(connection.execute(select(jobs.c.id).where(jobs.c.state.in_(OPEN))).scalars())

    def draw(send: Callable[[], T]) -> T:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(send)
            while not answer.done() or open_jobs():
                for job_id in open_jobs():
                    for phase in (tasks.RENDER, tasks.FINISH):
                        tasks.run_phase(resources, phase, job_id)
                threading.Event().wait(LOOK_EVERY_S)
            return answer.result()

    try:
        yield draw
    finally:
        resources.close()
