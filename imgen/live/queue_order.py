"""Order in which a worker of several queues takes their messages: kombu's own strategies let one queue starve the others.

The queue whose next job is first comes first: by priority, then the share of the job's tenant among the worker's queues, then
age. A queue that had its turn is as old as the end of that turn: else one with older jobs would keep it for long.
The worker stays with the models that are loaded for a bounded time while others wait; among loaded ones it changes freely.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from kombu.utils.scheduling import round_robin_cycle

from imgen.domain.errors import Unavailable
from imgen.domain.job import RENDER_TASK, render_queue
from imgen.live import waiting, workers
from imgen.live.command import Command
from imgen.live.executors import BlockingExecutor
from imgen.live.queue import BUCKETS, PUBLISHED_AT, lists_of

TIMEOUT_S = 1.0
"""The worker's main loop waits for it."""


class Rank(NamedTuple):
    """Rank of a queue among those with messages; the least comes first."""

    is_unknown: bool
    """Whether Redis does not tell the next job of a render queue: its messages may be left over from jobs that are done."""
    priority: int
    ahead: int
    since: float
    """Unix time at which its next job was submitted, or its oldest message sent."""


class QueueOrder(round_robin_cycle):
    """Order of one consumer's queues (kombu.transport.redis, `queue_order_strategy`)."""

    def __init__(self, redis_url: str, *, worker: str, stay_s: float, clock: Callable[[], float] = time.time) -> None:
        """Makes the order of the worker of that name.

        Args:
            redis_url: the broker.
            worker: name in its processes' heartbeats, which tell their models.
            stay_s: longest time for which it stays with loaded models while jobs of others wait.
            clock: that of the messages, Unix time.
        """
        super().__init__()  # type: ignore[no-untyped-call]  # kombu has no types
        self._live = BlockingExecutor(redis_url, timeout_s=TIMEOUT_S)
        self._worker = worker
        self._stay_s = stay_s
        self._clock = clock
        self._current = ""
        self._loaded = frozenset[str]()
        """Queues whose models were loaded at the latest choice."""
        self._since = 0.0
        """Time at which it last took up a queue whose model was not loaded."""
        self._left: dict[str, float] = {}
        """Queue → time at which another one was taken in its place."""

    def consume(self, n: int) -> list[str]:
        """Returns the queues to take the next message from: the chosen one, or all of them if all are empty."""
        queues: list[str] = self.items[:n]
        if len(queues) < 2:  # noqa: PLR2004 - there is nothing to choose
            return queues
        try:
            ranks = self._ranks(queues)
            if len(ranks) > 1:
                models = self._live.run(workers.loaded_models(self._worker))
                self._loaded = frozenset(map(render_queue, models))
        except Unavailable:
            return queues  # the pop that follows finds out, too
        return [self._choose(ranks)] if ranks else queues

    def rotate(self, last_used: str) -> str:
        """Notes the queue that the latest message came from."""
        if last_used != self._current:
            self._left[self._current] = now = self._clock()
            self._current = last_used
            if last_used not in self._loaded:
                self._since = now
        return last_used

    def _choose(self, ranks: dict[str, Rank]) -> str:
        now = self._clock()
        current = ranks.get(self._current)
        has_work = current is not None and (not current.is_unknown or all(rank.is_unknown for rank in ranks.values()))
        stays = has_work and now - self._since < self._stay_s
        able = [queue for queue in ranks if not stays or queue == self._current or queue in self._loaded]

        def turn(queue: str) -> Rank:
            last = now if queue == self._current else self._left.get(queue, 0.0)
            return ranks[queue]._replace(since=max(ranks[queue].since, last))

        return min(able, key=turn)

    def _ranks(self, queues: Sequence[str]) -> dict[str, Rank]:
        """Ranks the queues that have messages."""
        oldest = self._live.run(_oldest_messages(queues))
        found = self._live.run(waiting.first_of_each(queues)) if oldest else []
        ranks = dict(oldest)
        for queue, job in zip(queues, found, strict=False):
            if job is not None and queue in ranks:
                ranks[queue] = Rank(is_unknown=False, priority=job.priority, ahead=job.ahead, since=job.created_at)
        return ranks


def _oldest_messages(queues: Iterable[str]) -> Command[dict[str, Rank]]:
    """Ranks queues by their messages alone; empty ones are left out."""
    lists = [(queue, bucket, name) for queue in queues for bucket, name in zip(BUCKETS, lists_of(queue), strict=True)]

    def decode(replies: Sequence[Any]) -> dict[str, Rank]:
        ranks: dict[str, Rank] = {}
        for (queue, bucket, _), message in zip(lists, replies, strict=True):
            if message is not None and queue not in ranks:
                is_render = queue.startswith(RENDER_TASK)
                ranks[queue] = Rank(is_render, bucket, 0, _published_at(message))
        return ranks

    return Command(tuple(("LINDEX", name, -1) for _, _, name in lists), decode)


def _published_at(message: bytes) -> float:
    """Returns the publishing time of a message; 0 for one of an earlier version, or for garbage, which the worker drops."""
    try:
        return float(json.loads(message)["headers"][PUBLISHED_AT])
    except (ValueError, KeyError, TypeError):
        return 0.0
