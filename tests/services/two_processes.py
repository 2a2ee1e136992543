"""Two API processes and a worker over one database and one Redis, for tests of what each of them tells."""

import asyncio
import contextlib

from sqlalchemy import event
from submitting import submit_repaired

from imgen.app import close_core, open_core
from imgen.domain.errors import Unavailable
from imgen.domain.job import State, view_of
from imgen.domain.outcome import Outcome
from imgen.domain.request import GenerateRequest
from imgen.live import job_views
from imgen.live.command import ping
from imgen.live.executors import BlockingExecutor, PipeliningExecutor
from imgen.records import job_transitions, jobs
from imgen.services import jobs as job_service

PATIENCE_S = 30
"""Limit of a round trip: none fails because the machine is slow."""


class Site:
    """Two API processes, as it were, and a worker's executor over one database and one Redis."""

    def __init__(self, server, settings, caller):
        self.server, self.settings = server, settings
        self.cores = [self._core(), self._core()]
        self.caller = caller(self.cores[0])
        self.live = BlockingExecutor(server.url)
        self.database = self.cores[0].database

    def _core(self):
        core = open_core(self.settings)
        core.live = PipeliningExecutor(self.server.url, timeout_s=PATIENCE_S)
        return core

    async def close(self):
        self.live.close()
        for core in self.cores:
            await close_core(core)

    async def restart_api(self):
        """Replaces the second API process by one that knows nothing."""
        await close_core(self.cores.pop())
        self.cores.append(self._core())

    @contextlib.asynccontextmanager
    async def hung(self):
        """Redis hangs within the block, and the executors wait a moment for it; afterwards they have found it again."""
        executors = [core.live for core in self.cores]
        for executor in executors:
            executor.timeout_s = 0.3
        self.server.freeze()
        yield
        self.server.thaw()
        for executor in executors:
            executor.timeout_s = PATIENCE_S
        for executor in executors:
            await self._reconnected(executor)

    async def _reconnected(self, executor):
        while True:
            with contextlib.suppress(Unavailable):
                return await executor.run(ping())
            await asyncio.sleep(0.05)

    async def submit(self):
        made = await submit_repaired(self.cores[0], self.caller, GenerateRequest(prompt="red coat"), surface="action")
        return made.job.id

    async def poll(self, job_id):
        """Answers of each of the processes."""
        return [
            await job_service.job_status(core, self.caller, job_id, job_service.get_view(core, job_id))
            for core in self.cores
        ]

    async def states(self, job_id):
        return [status.view.state for status in await self.poll(job_id)]

    async def progress(self, job_id):
        return [status.progress for status in await self.poll(job_id)]

    def claim(self, job_id, waiting=State.QUEUED):
        """Claims the job as a worker does, and tells pollers."""
        run_id = self.live.run_id
        job = self.database.attempt(job_transitions.claim, job_id, waiting=waiting, lease_s=60, max_attempts=3)
        self.live.run(job_views.set_view(job_id, view_of(job), run_id))
        if job.fence == 1:
            self.live.run(job_views.start_progress(job_id, run_id))
        return job

    def job(self, job_id):
        """The row."""
        with self.database.read() as connection:
            return jobs.find(connection, job_id)

    def end(self, job, *, tell=True):
        """Ends the job as a worker does; one that dies in between does not tell pollers."""
        run_id = self.live.run_id
        ended = self.database.attempt(job_transitions.end, job, State.FAILED, Outcome(error="Generation failed"))
        if tell:
            self.live.run(job_views.set_view(job.id, view_of(ended), run_id))


@contextlib.contextmanager
def counted_reads(core):
    """Counts the statements that reach the database."""
    seen = []

    def note(_connection, _cursor, statement, *_):
        seen.append(statement)

    event.listen(core.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(core.database.engine, "before_cursor_execute", note)
