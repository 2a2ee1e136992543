"""The two tasks: claim, run a stage table, settle; and what becomes of a job when a stage raises.

A task never raises to Celery: the row says how it went, and the reconciler publishes what is to be tried again.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from imgen.domain import errors
from imgen.domain.job import FINISHER, Job, Outcome, State, view_of
from imgen.live import polls
from imgen.records import jobs
from workers import outcome, pipeline
from workers.lease import Lease
from workers.picture import Context, Picture
from workers.workshop import Workshop

log = structlog.get_logger(__name__)

Commit = Callable[[Workshop, Job, Picture, Mapping[str, float]], Job]


@dataclass(frozen=True, kw_only=True)
class Half:
    """One half of a job's life."""

    waiting: State
    stages: Sequence[pipeline.Stage]
    commit: Commit


ENDS: dict[type[errors.ImgenError], tuple[State, str]] = {
    errors.TimedOut: (State.TIMED_OUT, "Timed out"),
    errors.ModelError: (State.FAILED, "Generation failed"),
    errors.ConfigurationError: (State.FAILED, "Generation failed"),
    errors.InvalidField: (State.FAILED, "Generation failed"),
}
"""Errors that end a job. `LeaseLost` and `Cancelled` leave it alone: somebody else has moved it. All others are tried again."""


def work(workshop: Workshop, half: Half, job_id: str) -> None:
    """Does one half of one job, if it is there to be done. Delivered twice, the second time finds nothing to claim."""
    settings = workshop.settings.jobs
    job = workshop.database.attempt(
        jobs.claim, job_id, waiting=half.waiting, lease_s=settings.lease_s, max_attempts=settings.max_attempts
    )
    if half.waiting is State.QUEUED:
        workshop.tell(polls.leave(job_id))
    if job is None:
        return
    workshop.tell(polls.show(job_id, view_of(job)))
    with structlog.contextvars.bound_contextvars(job=job.id, fence=job.fence, attempt=job.attempts):
        moved = _run(workshop, half, job)
        if moved is not None:
            _after(workshop, moved)


def _run(workshop: Workshop, half: Half, job: Job) -> Job | None:
    """The job after the work on it; None: it is no longer ours."""
    try:
        model = workshop.model_of(job)
        with Lease(workshop, job, model) as lease:
            context = Context(job=job, model=model, workshop=workshop, checkpoint=lease.check, report=lease.report)
            picture, seconds = pipeline.run(half.stages, Picture(), context)
        return half.commit(workshop, job, picture, seconds)
    except (errors.LeaseLost, errors.Cancelled):
        log.info("job is no longer ours")
        return None
    except errors.PictureBlocked as exc:
        log.info("job blocked", categories=exc.blocked.categories)
        return _end(workshop, job, State.BLOCKED, Outcome(blocked=exc.blocked))
    except errors.ImgenError as exc:
        ending = next((ENDS[kind] for kind in type(exc).__mro__ if kind in ENDS), None)
        log.warning("job stopped", reason=str(exc), code=exc.code)
        if ending is None:
            return _try_again(workshop, job)
        return _end(workshop, job, ending[0], Outcome(error=ending[1]))
    except Exception:  # the map's last line: an error nobody foresaw must not take the worker along
        log.exception("job failed unexpectedly")
        return _try_again(workshop, job)


def _try_again(workshop: Workshop, job: Job) -> Job | None:
    settings = workshop.settings.jobs
    if job.attempts >= settings.max_attempts:
        return _end(workshop, job, State.FAILED, Outcome(error="Generation failed"))
    pause_s = settings.retry_pauses_s[min(job.attempts, len(settings.retry_pauses_s)) - 1]
    with contextlib.suppress(errors.LeaseLost):
        return workshop.database.attempt(jobs.put_back, job, pause_s=pause_s)
    return None


def _end(workshop: Workshop, job: Job, state: State, result: Outcome) -> Job | None:
    with contextlib.suppress(errors.LeaseLost):
        return workshop.database.attempt(jobs.end, job, state, result)
    return None


def _hand_on(workshop: Workshop, job: Job, picture: Picture, seconds: Mapping[str, float]) -> Job:
    queued = (job.claimed_at or job.created_at) - job.created_at
    return workshop.database.attempt(
        jobs.hand_on,
        job,
        queue=FINISHER,
        master_key=picture.master_key,
        timings={"queue": max(0.0, queued), **seconds},
    )


def _settle(workshop: Workshop, job: Job, picture: Picture, seconds: Mapping[str, float]) -> Job:
    state, result = outcome.of(job, picture, seconds)
    return workshop.database.attempt(jobs.end, job, state, result)


def _after(workshop: Workshop, job: Job) -> None:
    """What follows a commit: news for pollers, the next message, and nothing left behind."""
    workshop.tell(polls.show(job.id, view_of(job)))
    if job.state is State.RENDERED and job.published_at is None and job.available_at <= time.time():
        with contextlib.suppress(errors.Unavailable, errors.Retryable):  # the reconciler publishes it then
            workshop.publisher.publish(job.queue, job.id, job.priority)
            workshop.database.attempt(jobs.published, job.id, job.queue)
    if job.ended_at is not None:
        log.info("job ended", state=job.state.value, seconds=round(job.ended_at - job.created_at, 2))
        with contextlib.suppress(errors.Retryable):  # the sweeper removes it then
            for stored in list(workshop.objects.list(f"work/{job.id}/")):
                workshop.objects.delete(stored.key)


RENDER = Half(waiting=State.QUEUED, stages=pipeline.RENDER, commit=_hand_on)
FINISH = Half(waiting=State.RENDERED, stages=pipeline.FINISH, commit=_settle)
