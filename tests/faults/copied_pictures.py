"""Worker that draws nothing: each job that a surface waits for ends with the picture of an earlier one.

For tests that make thousands of requests. What is drawn is tested elsewhere.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select

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
def copied_pictures(settings: Settings, surface: str, drawn_id: str) -> Iterator[None]:
    """Completes the jobs of a surface as they come, with the picture of a drawn job, for the length of the block."""
    resources, stop = open_resources(settings), threading.Event()
    outcome = resources.database.attempt(records.find, drawn_id).outcome
    assert outcome is not None
    thread = threading.Thread(target=_work, args=(resources, surface, outcome, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        resources.close()


def _work(resources: WorkerResources, surface: str, outcome: Outcome, stop: threading.Event) -> None:
    while not stop.wait(PAUSE_S):
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
