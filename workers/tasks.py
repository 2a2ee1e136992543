"""The two tasks: claim, run a stage table, settle; and what becomes of a job when a stage raises.

A task never raises to Celery: the row says how it went, and the reconciler publishes what is to be tried again.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection

from imgen.domain import errors
from imgen.domain.floor import FLOOR_VERSION
from imgen.domain.job import FINISHER, Job, Outcome, State, view_of
from imgen.domain.recipe import Reused
from imgen.live import block_penalty, epochs, job_views
from imgen.records import audit, cache, job_transitions
from workers import outcome, pipeline
from workers.backends import Sketch
from workers.lease import Lease
from workers.picture import Context, Picture
from workers.preview import Preview
from workers.reviewers.listed import LISTED
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
        job_transitions.claim,
        job_id,
        waiting=half.waiting,
        lease_s=settings.lease_s,
        max_attempts=settings.max_attempts,
    )
    if half.waiting is State.QUEUED:
        workshop.tell(job_views.dequeue(job_id))
    if job is None:
        return
    workshop.tell(job_views.set_view(job_id, view_of(job)))
    with structlog.contextvars.bound_contextvars(job=job.id, fence=job.fence, attempt=job.attempts):
        moved = _run(workshop, half, job)
        if moved is not None:
            _after(workshop, moved)


def _run(workshop: Workshop, half: Half, job: Job) -> Job | None:
    """The job after the work on it; None: it is no longer ours."""
    try:
        model = workshop.model_of(job)
        with Lease(workshop, job, model) as lease:
            preview = Preview(workshop, job)

            def report(done: int, total: int, sketch: Sketch) -> None:
                lease.report(done, total)
                preview.offer(sketch)

            context = Context(job=job, model=model, workshop=workshop, checkpoint=lease.check, report=report)
            picture, seconds = pipeline.run(half.stages, Picture(), context)
        return half.commit(workshop, job, picture, seconds)
    except (errors.LeaseLost, errors.Cancelled):
        log.info("job is no longer ours")
        return None
    except errors.PictureBlocked as exc:
        log.info("job blocked", categories=exc.blocked.categories)
        if LISTED in exc.verdict.codes and job.recipe.reused is not None:
            _drop_entry(workshop, job.recipe.reused)
        return _end(workshop, job, State.BLOCKED, Outcome(blocked=exc.blocked), Picture(verdict=exc.verdict))
    except errors.ImgenError as exc:
        return _after_error(workshop, job, exc)
    except Exception:  # the map's last line: an error nobody foresaw must not take the worker along
        log.exception("job failed unexpectedly")
        return _try_again(workshop, job)


def _after_error(workshop: Workshop, job: Job, error: errors.ImgenError) -> Job | None:
    log.warning("job stopped", reason=str(error), code=error.code)
    if isinstance(error, errors.ReviewerUnavailable):
        return _wait_for_review(workshop, job)
    if isinstance(error, errors.ObjectNotFound) and job.recipe.reused is not None:
        _drop_entry(workshop, job.recipe.reused)
        return _end(workshop, job, State.FAILED, Outcome(error="Generation failed"))
    ending = next((ENDS[kind] for kind in type(error).__mro__ if kind in ENDS), None)
    if ending is None:
        return _try_again(workshop, job)
    return _end(workshop, job, ending[0], Outcome(error=ending[1]))


def _drop_entry(workshop: Workshop, reused: Reused) -> None:
    """A cached picture that cannot be shown, because its master is gone or a list names it now, is not found again."""
    with contextlib.suppress(errors.Retryable):
        workshop.database.attempt(cache.purge, entry_ids=[reused.entry_id])
        workshop.tell(epochs.bump(epochs.CACHE))


def _try_again(workshop: Workshop, job: Job) -> Job | None:
    settings = workshop.settings.jobs
    if job.attempts >= settings.max_attempts:
        return _end(workshop, job, State.FAILED, Outcome(error="Generation failed"))
    pause_s = settings.retry_pauses_s[min(job.attempts, len(settings.retry_pauses_s)) - 1]
    with contextlib.suppress(errors.LeaseLost):
        return workshop.database.attempt(job_transitions.put_back, job, pause_s=pause_s)
    return None


def _wait_for_review(workshop: Workshop, job: Job) -> Job | None:
    """Not an attempt that is held against the job: it waits, each time as long as it has waited before."""
    review = workshop.settings.review
    waited_s = 0.0 if job.unreviewed_since is None else time.time() - job.unreviewed_since
    if waited_s > review.give_up_s:
        return _end(workshop, job, State.FAILED, Outcome(error="Generation failed"))
    pause_s = min(max(review.first_pause_s, waited_s), review.longest_pause_s)
    with contextlib.suppress(errors.LeaseLost):
        return workshop.database.attempt(
            job_transitions.put_back, job, pause_s=pause_s, count=False, is_unreviewed=True
        )
    return None


def _end(workshop: Workshop, job: Job, state: State, result: Outcome, picture: Picture | None = None) -> Job | None:
    with contextlib.suppress(errors.LeaseLost):
        return workshop.database.attempt(_write_end, job, state, result, picture or Picture())
    return None


def _write_end(connection: Connection, job: Job, state: State, result: Outcome, picture: Picture) -> Job:
    """The last transition, with the audit's record of a picture withheld or the cache's of one it keeps, in one transaction."""
    ended = job_transitions.end(connection, job, state, result)
    verdict, kept = picture.verdict, picture.kept
    if result.blocked is not None and verdict is not None:
        told = {"ruleset": job.recipe.ruleset, "floor_version": FLOOR_VERSION} | msgspec.to_builtins(verdict)
        audit.note(connection, actor="reviewer", action="blocked", tenant_id=job.tenant_id, subject=job.id, detail=told)
    if state is State.COMPLETED and kept is not None and verdict is not None:
        cache.make_ready(
            connection,
            job.recipe.keep_as,
            master_key=kept.key,
            size_bytes=kept.size_bytes,
            codes=verdict.codes,
            judged_by=kept.judged_by,
            floor_version=FLOOR_VERSION,
        )
    return ended


def _hand_on(workshop: Workshop, job: Job, picture: Picture, seconds: Mapping[str, float]) -> Job:
    queued = (job.claimed_at or job.created_at) - job.created_at
    return workshop.database.attempt(
        job_transitions.hand_on,
        job,
        queue=FINISHER,
        master_key=picture.master_key,
        timings={"queue": max(0.0, queued), **seconds},
    )


def _settle(workshop: Workshop, job: Job, picture: Picture, seconds: Mapping[str, float]) -> Job:
    state, result = outcome.of(job, picture, seconds)
    return workshop.database.attempt(_write_end, job, state, result, picture)


def _after(workshop: Workshop, job: Job) -> None:
    """What follows a commit: news for pollers, the next message, and nothing left behind."""
    workshop.tell(job_views.set_view(job.id, view_of(job)))
    if job.state is State.RENDERED and job.published_at is None and job.available_at <= time.time():
        with contextlib.suppress(errors.Unavailable, errors.Retryable):  # the reconciler publishes it then
            workshop.publisher.publish(job.queue, job.id, job.priority)
            workshop.database.attempt(job_transitions.note_published, job.id, job.queue)
    if job.state is State.COMPLETED and job.recipe.keep_as:
        workshop.tell(epochs.bump(epochs.CACHE))
    if job.state is State.BLOCKED:
        _slow_down(workshop, job.tenant_id)
    if job.ended_at is not None:
        log.info("job ended", state=job.state.value, seconds=round(job.ended_at - job.created_at, 2))
        with contextlib.suppress(errors.Retryable):  # the sweeper removes it then
            for stored in list(workshop.objects.list(f"work/{job.id}/")):
                workshop.objects.delete(stored.key)


def _slow_down(workshop: Workshop, tenant_id: str) -> None:
    """Each blocked picture beyond the free ones keeps its tenant out for twice as long as the one before."""
    review = workshop.settings.review
    with contextlib.suppress(errors.Unavailable):
        too_many = workshop.live.run(block_penalty.count_block(tenant_id)) - review.free_blocks
        if too_many > 0:
            pause_s = min(review.slow_down_s * 2.0 ** min(too_many - 1, 20), review.longest_slow_down_s)
            workshop.live.run(block_penalty.penalize(tenant_id, pause_s))


RENDER = Half(waiting=State.QUEUED, stages=pipeline.RENDER, commit=_hand_on)
FINISH = Half(waiting=State.RENDERED, stages=pipeline.FINISH, commit=_settle)
