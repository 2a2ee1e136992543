"""Render of one job by engines elsewhere: it needs no device, meets no other job, and waits in a thread of its own."""

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

    def draw(self, _job_id: str, order: Order) -> Drawn | PictureFlagged:
        """Has the job's picture drawn.

        Raises:
            ImgenError: see `RemoteDrawing.draw`, and what the order's own callbacks raise.
        """
        order.prepare()
        calls = JobCalls(self._resources.database, self._job)
        with order.limited(order.model.time_limit_s):
            return self._resources.remote.draw(order.model, order.shot, calls, order.report)

    def leave(self, _job_id: str) -> None:
        """Does nothing: no other job waits for this one."""
