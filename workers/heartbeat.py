"""A worker process tells every few seconds what it does: for people who look, never for deciding anything."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from imgen.domain.errors import Unavailable
from imgen.live import workers
from imgen.live.executors import BlockingExecutor
from imgen.live.workers import WorkerHeartbeat

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Heartbeat:
    """One per process, made after the fork; its thread has a connection of its own."""

    def __init__(self, redis_url: str, *, name: str, queues: tuple[str, ...]) -> None:
        self._live = BlockingExecutor(redis_url)
        self._name = f"{name} #{os.getpid()}"
        self._queues = queues
        self._since = time.time()
        self._job_id = ""
        self.model = ""
        """Key of the loaded model."""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def working_on(self, job_id: str) -> Iterator[None]:
        """Tells of the job while the block runs."""
        self._job_id = job_id
        try:
            yield
        finally:
            self._job_id = ""

    def close(self) -> None:
        """Takes its leave."""
        self._ends.set()
        self._thread.join()
        with contextlib.suppress(Unavailable):
            self._live.run(workers.remove(self._name))
        self._live.close()

    def _beat(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                self._live.run(workers.report(self._now()))
            if self._ends.wait(workers.BEAT_S):
                return

    def _now(self) -> WorkerHeartbeat:
        return WorkerHeartbeat(
            name=self._name,
            queues=self._queues,
            pid=os.getpid(),
            memory_bytes=_resident_bytes(),
            job_id=self._job_id,
            model=self.model,
            since=self._since,
            at=time.time(),
        )


def _resident_bytes() -> int:
    """0 where the system does not tell."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    return 0
