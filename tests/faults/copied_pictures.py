"""Worker that draws nothing: each job that a surface waits for ends with the picture of an earlier one.

For tests that make thousands of requests. What is drawn is tested elsewhere.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, select

from imgen.domain.errors import Retryable
from imgen.domain.job import FINISH_QUEUE, Job, State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions
from imgen.records import jobs as records
from imgen.records.tables.jobs import jobs
from imgen.settings import Settings
from workers import tasks
from workers.claims import claim_for_message
from workers.persistence import persist
from workers.resources import WorkerResources, open_resources

PAUSE_S = 0.005


@contextmanager
def copied_pictures(settings: Settings, surface: str, drawn_id: str) -> Iterator[Callable[[], None]]:
    """Completes the jobs of a surface as they come, with the picture of a drawn job, for the length of the block.

    Gives a function that raises the error of which the worker died, so that nobody waits for it in vain.
    """
    resources, stop = open_resources(settings), threading.Event()
    outcome = resources.database.attempt(records.find, drawn_id).outcome
    assert outcome is not None
    with ThreadPoolExecutor(1) as threads:
        work = threads.submit(_work, resources, surface, outcome, stop)
        try:
            yield lambda: work.result() if work.done() else None
        finally:
            stop.set()
    resources.close()
    work.result()


def _work(resources: WorkerResources, surface: str, outcome: Outcome, stop: threading.Event) -> None:
    while not stop.wait(PAUSE_S):
        with suppress(Retryable):  # the database is busy: they are still there in the next round
            _complete_waiting(resources, surface, outcome)


def _complete_waiting(resources: WorkerResources, surface: str, outcome: Outcome) -> None:
    for job_id in resources.database.attempt(_waiting, surface):
        job, run_id = claim_for_message(resources, job_id, queue="", state=State.QUEUED), resources.live.run_id
        if job is not None:
            tasks.after_commit(resources, persist(resources.database, _complete, job, outcome), run_id)


def _complete(connection: Connection, job: Job, outcome: Outcome) -> Job:
    rendered = job_transitions.hand_on(connection, job, queue=FINISH_QUEUE, master_key="", timings={})
    finishing = job_transitions.claim(connection, rendered.id, waiting=State.RENDERED, lease_s=60, max_attempts=9)
    return job_transitions.end(connection, finishing, State.COMPLETED, outcome)


def _waiting(connection: Connection, surface: str) -> list[str]:
    found = select(jobs.c.id).where(jobs.c.surface == surface, jobs.c.state == State.QUEUED)
    return list(connection.scalars(found.order_by(jobs.c.created_at)))
