"""Workers as their heartbeats tell: the queues that they consume, what their models can do, and their engines elsewhere.

A job of a queue that nobody consumes waits until somebody starts a worker.
"""

import time

from imgen.domain.capabilities import Capabilities, assumed
from imgen.domain.catalog import Model
from imgen.domain.errors import Unavailable
from imgen.domain.remote_engine import EngineState
from imgen.live import workers
from imgen.live.executors import PipeliningExecutor

KEPT_S = 1.0
"""Time for which the heartbeats are not read again: less than their own interval, and far more than that between polls."""


class ServedQueues:
    """Served queues and capabilities, as one process knows them."""

    def __init__(self) -> None:
        self._queues: frozenset[str] = frozenset()
        self._capabilities: dict[str, Capabilities] = {}
        self._engine_states: dict[str, list[EngineState]] = {}
        self._read_at = float("-inf")

    async def has(self, queue: str, live: PipeliningExecutor) -> bool:
        """Returns whether a worker consumes the queue; true, too, while Redis does not answer: then nothing is known."""
        return not await self._is_known(live) or queue in self._queues

    async def capabilities(self, model: Model, live: PipeliningExecutor) -> Capabilities:
        """Returns what a model can do: as a worker tells, else as the catalog does."""
        known = self._capabilities if await self._is_known(live) else {}
        return known.get(model.key) or assumed(model)

    async def engine_states(self, live: PipeliningExecutor) -> dict[str, list[EngineState]]:
        """Returns the states of each engine elsewhere, one for each process with it; none while Redis is away."""
        return self._engine_states if await self._is_known(live) else {}

    async def _is_known(self, live: PipeliningExecutor) -> bool:
        """Reads the heartbeats if the last reading is old; returns whether Redis answered."""
        if time.monotonic() - self._read_at > KEPT_S:
            try:
                heartbeats = await live.run(workers.list_workers())
            except Unavailable:
                return False
            self._queues = frozenset(queue for heartbeat in heartbeats for queue in heartbeat.queues)
            by_age = sorted(heartbeats, key=lambda heartbeat: heartbeat.at)
            self._capabilities = {
                key: able for heartbeat in by_age for key, able in heartbeat.capabilities.items()
            }  # of several workers the latest counts
            self._engine_states = {}
            for heartbeat in heartbeats:
                for key, state in heartbeat.engines.items():
                    self._engine_states.setdefault(key, []).append(state)
            self._read_at = time.monotonic()
        return True
