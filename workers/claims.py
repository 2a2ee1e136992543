"""Claims: the job that a message is used for, and its companions. Runs nothing.

A message only tells that one of the jobs of its queue waits. The worker takes the one that is next (imgen/live/waiting.py);
the message's own job keeps its place, and another message will do for it.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import structlog

from imgen.domain import errors
from imgen.domain.job import Job, State
from imgen.live import job_views, news, waiting
from imgen.live.waiting import Taken
from imgen.records import job_transitions
from workers import companions
from workers.persistence import persist
from workers.resources import WorkerResources

log = structlog.get_logger(__name__)

MOST_TAKEN = 100
"""Jobs taken out for one message until one can be claimed. Others wait no more: a worker died, or Redis lost its last second."""


def claim_for_message(resources: WorkerResources, job_id: str, *, queue: str, state: State) -> Job | None:
    """Claims the job that a message is used for: the next one of its queue, else the message's own.

    Args:
        resources: of this process.
        job_id: the message's own job.
        queue: queue of the message; empty: only its own job is meant.
        state: state in which jobs wait for this phase.

    Returns:
        The job as claimed; None: none can be, as when a message comes twice.
    """
    transact = partial(persist, resources.database)
    if queue and (job := _claim_next(transact, resources, queue, state)) is not None:
        return job
    return _claim_alone(transact, resources, state, job_id)


def claim_companions(resources: WorkerResources, job: Job) -> Iterator[Job]:
    """Claims the jobs that can be rendered with a claimed one. Fewer or none where a part is away: they wait in the queue."""
    with contextlib.suppress(errors.Unavailable, errors.Retryable):
        for job_id in companions.find(resources, job):
            other = _claim_alone(resources.database.attempt, resources, State.QUEUED, job_id)
            if other is not None:
                yield other


def _claim_next(
    transact: Callable[..., Job | None], resources: WorkerResources, queue: str, state: State
) -> Job | None:
    """Claims the next job of a queue. None: none waits, or Redis does not answer."""
    unreadable = list[Taken]()
    job = None
    with contextlib.suppress(errors.Unavailable):
        for _ in range(MOST_TAKEN):
            taken = resources.live.run(waiting.take(queue, resources.group))
            if taken is None:
                break
            try:
                job = _claim(transact, resources, state, taken.id)
            except errors.UnreadableRow:
                unreadable.append(taken)
            if job is not None:
                break
    for taken in unreadable:
        resources.notify(waiting.put_back(queue, taken))
    return job


def _claim_alone(
    transact: Callable[..., Job | None], resources: WorkerResources, state: State, job_id: str
) -> Job | None:
    """Claims a certain job, out of its turn. None: it cannot be claimed."""
    try:
        job = _claim(transact, resources, state, job_id)
    except errors.UnreadableRow:
        return None
    if job is not None:
        resources.notify(waiting.serve(job.queue, job_id, resources.group))
    return job


def _claim(transact: Callable[..., Job | None], resources: WorkerResources, state: State, job_id: str) -> Job | None:
    """Claims a job in a transaction and tells pollers. None: it cannot be claimed.

    Raises:
        UnreadableRow: a newer version wrote it; it still waits.
    """
    settings, run_id = resources.settings.jobs, resources.live.run_id
    try:
        job = transact(
            job_transitions.claim,
            job_id,
            waiting=state,
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
        )
    except errors.UnreadableRow as exc:
        log.warning("job is left to another version", job=job_id, reason=str(exc))
        raise
    if job is not None:
        resources.notify(news.moved(job, run_id))
        if job.state is State.RENDERING and job.fence == 1:
            resources.notify(job_views.start_progress(job_id, run_id))
    return job
