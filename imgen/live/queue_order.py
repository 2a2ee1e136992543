"""Order in which a worker of several queues takes their messages: kombu's own strategies let one queue starve the others.

A queue is chosen as a whole, by the age of its oldest message or last turn; within it priorities hold. The worker stays with
the queue that it took from last, whose model is loaded, for a bounded time while others wait.
"""

import json
import time
from collections.abc import Callable, Iterable

import redis
from kombu.utils.scheduling import round_robin_cycle

from imgen.live.queue import PUBLISHED_AT, lists_of

TIMEOUT_S = 1.0
"""The worker's main loop waits for it."""


class OldestQueueFirst(round_robin_cycle):
    """Order of one consumer's queues (kombu.transport.redis, `queue_order_strategy`)."""

    def __init__(self, redis_url: str, *, stay_s: float, clock: Callable[[], float] = time.time) -> None:
        """Stays with a queue for `stay_s` at most while others wait; `clock` is that of the messages, Unix time."""
        super().__init__()  # type: ignore[no-untyped-call]  # kombu has no types
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, protocol=2
        )
        self._stay_s = stay_s
        self._clock = clock
        self._current = ""
        self._since = 0.0
        self._left: dict[str, float] = {}
        """Queue → time at which another one was taken in its place."""

    def consume(self, n: int) -> list[str]:
        """Returns the queues to take the next message from: the chosen one, or all of them if all are empty."""
        queues: list[str] = self.items[:n]
        if len(queues) < 2:  # noqa: PLR2004 - there is nothing to choose
            return queues
        try:
            oldest = self._oldest(queues)
        except (redis.RedisError, OSError):
            return queues  # the pop that follows finds out, too
        return [self._choose(oldest)] if oldest else queues

    def rotate(self, last_used: str) -> str:
        """Notes the queue that the latest message came from."""
        if last_used != self._current:
            self._left[self._current] = now = self._clock()
            self._current, self._since = last_used, now
        return last_used

    def _choose(self, oldest: dict[str, float]) -> str:
        # A queue that had its turn is as old as the end of that turn: else two long queues would starve a third
        others = {queue: max(at, self._left.get(queue, 0.0)) for queue, at in oldest.items() if queue != self._current}
        may_stay = self._clock() - self._since < self._stay_s
        if self._current in oldest and (may_stay or not others):
            return self._current
        return min(others, key=others.__getitem__)

    def _oldest(self, queues: Iterable[str]) -> dict[str, float]:
        """Returns queue → publishing time of its oldest message; empty queues are left out."""
        pipeline = self._redis.pipeline(transaction=False)
        lists = [(queue, name) for queue in queues for name in lists_of(queue)]
        for _, name in lists:
            pipeline.lindex(name, -1)
        oldest: dict[str, float] = {}
        for (queue, _), message in zip(lists, pipeline.execute(), strict=True):
            if message is not None:
                oldest[queue] = min(oldest.get(queue, float("inf")), _published_at(message))
        return oldest


def _published_at(message: bytes) -> float:
    """Returns the publishing time of a message; 0 for one of an earlier version, or for garbage, which the worker drops."""
    try:
        return float(json.loads(message)["headers"][PUBLISHED_AT])
    except (ValueError, KeyError, TypeError):
        return 0.0
