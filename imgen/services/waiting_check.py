"""Comparison of the waiting jobs in Redis, which order, positions and `Queue is full` come from, with SQL: a page a round.

A worker that dies between taking a job out and its claim, a Redis that lost its last second, and a process of an older version
leave jobs there that wait no more, or forget some that do.
"""

from imgen.domain.errors import Unavailable
from imgen.domain.job import FINISH_QUEUE, RUNNING_AS, State, render_queue
from imgen.live import waiting
from imgen.records import reconcile
from imgen.services.core import Core

PAGE = 1000
"""Jobs compared in a round and direction: a few milliseconds, whatever the length of the queue."""
_START = (0.0, "")


class WaitingCheck:
    """Place in Redis and in SQL at which the next page begins."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._cursors: dict[str, int] = {}
        """By queue."""
        self._after = dict.fromkeys(RUNNING_AS, _START)
        """By the state in which jobs wait."""

    async def page(self) -> tuple[list[str], list[str]]:
        """Compares one page each way. Returns the ids removed from Redis and those added; none if Redis does not answer."""
        try:
            strays = await self._remove_strays()
            return strays, [job_id for state in RUNNING_AS for job_id in await self._add_missing(state)]
        except Unavailable:
            return [], []

    async def _remove_strays(self) -> list[str]:
        """Removes jobs that do not wait. A row is committed before its job is counted as waiting, so none is too young."""
        strays = list[str]()
        for queue in (*map(render_queue, self._core.catalog.models), FINISH_QUEUE):
            cursor = self._cursors.get(queue, 0)
            self._cursors[queue], found = await self._core.live.run(waiting.scan(queue, cursor, count=PAGE))
            strays += await self._remove(queue, found)
        return strays

    async def _add_missing(self, state: State) -> list[str]:
        page = await self._core.database.reading(reconcile.waiting_after, state, self._after[state], limit=PAGE)
        self._after[state] = (page[-1].created_at, page[-1].id) if len(page) == PAGE else _START
        if not page:
            return []
        are_there = await self._core.live.run(waiting.are_waiting([(job.queue, job.id) for job in page]))
        missing = [job for job, is_there in zip(page, are_there, strict=True) if not is_there]
        claimed = list[str]()
        for job in missing:
            await self._core.live.run(waiting.add(job))
        for queue in {job.queue for job in missing}:  # claimed between the two readings
            claimed += await self._remove(queue, [job.id for job in missing if job.queue == queue])
        return [job.id for job in missing if job.id not in claimed]

    async def _remove(self, queue: str, job_ids: list[str]) -> list[str]:
        there = await self._core.database.reading(reconcile.waiting_among, queue, job_ids) if job_ids else set()
        if strays := [job_id for job_id in job_ids if job_id not in there]:
            await self._core.live.run(waiting.remove(queue, strays))
        return strays
