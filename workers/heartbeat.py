"""Heartbeat of a worker process: its state, published every few seconds for people, and what its models can do, for the API."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imgen.domain.errors import Unavailable
from imgen.live import workers
from imgen.live.executors import BlockingExecutor
from imgen.live.workers import SigningTrouble, WorkerHeartbeat
from workers.told_capabilities import ToldCapabilities

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Heartbeat:
    """Heartbeat thread with a connection of its own; one in each process, made after the fork."""

    def __init__(
        self,
        redis_url: str,
        *,
        name: str,
        queues: tuple[str, ...],
        is_loading: bool = False,
        capabilities: ToldCapabilities,
        remote_jobs: Callable[[], tuple[str, ...]] = tuple,
        signing_trouble: Callable[[], SigningTrouble | None] = lambda: None,
    ) -> None:
        self._live = BlockingExecutor(redis_url)
        self._name = f"{name} #{os.getpid()}"
        self._queues = queues
        self._since = time.time()
        self._job_id = ""
        self.models: tuple[str, ...] = ()
        """Keys of the loaded models."""
        self.is_loading = is_loading
        """Whether it loads models ahead, and takes no job yet."""
        self._capabilities = capabilities
        self._remote_jobs = remote_jobs
        self._signing_trouble = signing_trouble
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="heartbeat", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def working_on(self, job_id: str) -> Iterator[None]:
        """Publishes the job's id while the block runs."""
        self._job_id = job_id
        try:
            yield
        finally:
            self._job_id = ""

    def tell_models(self, keys: tuple[str, ...]) -> None:
        """Publishes the keys of the loaded models at once if they have changed: the worker's choice of a queue goes by them."""
        if keys != self.models:
            self.models = keys
            self._publish_once()

    def close(self) -> None:
        """Stops the thread and removes the heartbeat."""
        self._stopped.set()
        self._thread.join()
        with contextlib.suppress(Unavailable):
            self._live.run(workers.remove(self._name))
        self._live.close()

    def _publish(self) -> None:
        while True:
            self._publish_once()
            if self._stopped.wait(workers.INTERVAL_S):
                return

    def _publish_once(self) -> None:
        with contextlib.suppress(Unavailable):
            self._live.run(workers.publish(self._state()))

    def _state(self) -> WorkerHeartbeat:
        """Makes the heartbeat. Raises Unavailable if Redis does not answer."""
        elsewhere = self._remote_jobs()
        return WorkerHeartbeat(
            name=self._name,
            queues=self._queues,
            pid=os.getpid(),
            memory_bytes=_resident_bytes(),
            job_id=self._job_id or next(iter(elsewhere), ""),
            jobs=len(elsewhere) + bool(self._job_id),
            models=self.models,
            is_loading=self.is_loading,
            capabilities=self._capabilities.now(self._live),
            engines=self._capabilities.engines(),
            signing_trouble=self._signing_trouble(),
            since=self._since,
            at=time.time(),
        )


def _resident_bytes() -> int:
    """Returns the resident memory of this process; 0 on systems without /proc."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    return 0
