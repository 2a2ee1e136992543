"""Render of one job by engines elsewhere: it needs no device, meets no other job, and waits in a thread of its own."""

import contextlib

from imgen.domain.errors import PictureFlagged
from imgen.domain.job import Job
from workers.batch import Order
from workers.engines import Drawn
from workers.engines.remote.calls import JobCalls
from workers.resources import WorkerResources


class RemoteRender:
    """Render of a claimed job; has the methods of `RenderBatch` that stages use."""

    is_shared = False
    """Whether other jobs take a part of its time."""

    def __init__(self, resources: WorkerResources, job: Job) -> None:
        self._resources = resources
        self._job = job
        self._turn = contextlib.ExitStack()

    def draw(self, _job_id: str, order: Order) -> Drawn | PictureFlagged:
        """Has the job's picture drawn; then waits for a turn to work on its pixels, which lasts until the job leaves.

        Raises:
            ImgenError: see `RemoteDrawing.draw`, and what the order's own callbacks raise.
        """
        calls = JobCalls(self._resources.database, self._job, max_attempts=self._resources.settings.jobs.max_attempts)
        with contextlib.ExitStack() as limits:

            def begin() -> None:
                limits.enter_context(order.limited(order.model.time_limit_s))
                order.prepare()

            drawn = self._resources.remote.draw(order.model, order.shot, calls, order.report, begin)
        if isinstance(drawn, Drawn) and drawn.pixels.size:
            self._turn.enter_context(self._resources.turns)
        return drawn

    def release(self, _job_id: str) -> None:
        """Does nothing: no other job waits for a device that this one holds."""

    def leave(self, _job_id: str) -> None:
        """Gives the turn back."""
        self._turn.close()
