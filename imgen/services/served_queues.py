"""Queues that workers consume, as their heartbeats tell: a job of any other queue waits until somebody starts a worker."""

import time

from imgen.domain.errors import Unavailable
from imgen.live import workers
from imgen.live.executors import PipeliningExecutor

KEPT_S = 1.0
"""Time for which the heartbeats are not read again: less than their own interval, and far more than that between polls."""


class ServedQueues:
    """Served queues, as one process knows them."""

    def __init__(self) -> None:
        self._queues: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    async def has(self, queue: str, live: PipeliningExecutor) -> bool:
        """Returns whether a worker consumes the queue; true, too, while Redis does not answer: then nothing is known."""
        if time.monotonic() - self._read_at > KEPT_S:
            try:
                heartbeats = await live.run(workers.list_workers())
            except Unavailable:
                return True
            self._queues = frozenset(queue for heartbeat in heartbeats for queue in heartbeat.queues)
            self._read_at = time.monotonic()
        return queue in self._queues
