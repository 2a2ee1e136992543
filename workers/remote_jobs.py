"""Jobs of one process that engines elsewhere draw: many at once, each claimed and worked on in a thread of its own.

They are claimed side by side: one after the other, their transactions would take longer than the engines.
"""

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor

import structlog

from imgen.domain.catalog import Catalog
from imgen.domain.engine_options import RemoteOptions
from imgen.domain.job import Job, render_queue
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


def is_for_engines_elsewhere(catalog: Catalog, queue: str) -> bool:
    """Returns whether the jobs of a queue are drawn elsewhere."""
    return any(model.is_remote and render_queue(model.key) == queue for model in catalog.models.values())


class RemoteJobs:
    """Jobs under way, and claims of further ones."""

    def __init__(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Takes the function that tells whether the worker ends, and takes no more jobs."""
        self._is_stopping = is_stopping
        self._under_way: dict[Future[None], str] = {}
        """Ends of their phases, with the jobs' ids; empty: none is claimed yet."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the jobs under way, the longest first."""
        return tuple(filter(None, self._under_way.copy().values()))

    @property
    def are_any(self) -> bool:
        """Whether a job is under way, or a claim."""
        return bool(self._under_way)

    def start(self, claim: Callable[[], Job | None], run: Callable[[Job], None]) -> None:
        """Starts to claim a job, and then to run its phase to the commit; neither is waited for."""
        thread, may_begin = ThreadPoolExecutor(1, thread_name_prefix="remote job"), threading.Event()

        def work() -> None:
            may_begin.wait()
            if (job := claim()) is not None:
                self._under_way[end] = job.id
                run(job)

        end = thread.submit(work)
        self._under_way[end] = ""
        end.add_done_callback(self._ended)
        may_begin.set()
        thread.shutdown(wait=False)

    def await_room(self, most: int, *, timeout_s: float) -> None:
        """Waits until fewer jobs than `most` are under way, the worker ends, or the time is over: then there is one too many."""
        give_up_at = time.monotonic() + timeout_s
        while len(under_way := list(self._under_way.copy())) >= most:
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or self._is_stopping():
                return
            concurrent.futures.wait(under_way, timeout=min(left_s, LOOK_S), return_when=FIRST_COMPLETED)

    def await_all(self, *, timeout_s: float) -> None:
        """Waits until all have ended; those that have not then are left to the reconciler."""
        left = concurrent.futures.wait(list(self._under_way.copy()), timeout=timeout_s).not_done
        if left:
            log.warning("jobs at engines elsewhere are left to other workers", number=len(left))

    def _ended(self, end: Future[None]) -> None:
        job_id = self._under_way.pop(end, "")
        if (error := end.exception()) is not None:
            log.error("a job was left to the reconciler", job=job_id, exc_info=error)
