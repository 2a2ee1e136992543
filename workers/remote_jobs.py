"""Jobs of one process that engines elsewhere draw: many at once, each in a thread of its own."""

import concurrent.futures
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future

import structlog

from imgen.domain.catalog import Catalog
from imgen.domain.engine_options import RemoteOptions
from imgen.domain.job import render_queue
from imgen.domain.remote_engine import RemoteEngine

MOST = 512
"""Jobs of a process, at most: each has two threads and about 5 MB."""
LOOK_S = 0.5
"""Seconds between two looks at whether the worker ends."""
log = structlog.get_logger(__name__)


def room(catalog: Catalog, engines: Mapping[str, RemoteEngine], queues: Iterable[str]) -> int:
    """Returns the number of jobs that a process may have under way: twice the calls of all engines of its queues' models.

    While some are worked on that have been drawn, others wait for their turn: no engine waits for the worker.
    """
    wanted, served = set[str](), set(queues)
    for model in catalog.models.values():
        if isinstance(model.engine, RemoteOptions) and render_queue(model.key) in served:
            wanted.update(choice.engine for choice in model.engine.engines)
    return min(MOST, max(1, 2 * sum(engine.calls for key, engine in engines.items() if key in wanted)))


class RemoteJobs:
    """Jobs under way, with the rest of their phase."""

    def __init__(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Takes the function that tells whether the worker ends, and takes no more jobs."""
        self._is_stopping = is_stopping
        self._under_way: dict[str, Future[None]] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the jobs under way, the longest first."""
        return tuple(self._under_way)

    def add(self, job_id: str, commit: Future[None]) -> None:
        """Adds a job that has begun, with the end of its phase."""
        self._under_way[job_id] = commit
        commit.add_done_callback(lambda done: self._ended(job_id, done))

    def await_room(self, most: int, *, timeout_s: float) -> None:
        """Waits until fewer jobs than `most` are under way, the worker ends, or the time is over: then there is one too many."""
        give_up_at = time.monotonic() + timeout_s
        while len(under_way := list(self._under_way.values())) >= most:
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or self._is_stopping():
                return
            concurrent.futures.wait(under_way, timeout=min(left_s, LOOK_S), return_when=FIRST_COMPLETED)

    def await_all(self, *, timeout_s: float) -> None:
        """Waits until all have ended; those that have not then are left to the reconciler."""
        left = concurrent.futures.wait(list(self._under_way.values()), timeout=timeout_s).not_done
        if left:
            log.warning("jobs at engines elsewhere are left to other workers", number=len(left))

    def _ended(self, job_id: str, commit: Future[None]) -> None:
        self._under_way.pop(job_id, None)
        if (error := commit.exception()) is not None:
            log.error("a job was left to the reconciler", job=job_id, exc_info=error)
