"""The two tasks, render and finish: each runs the stages of its phase over a claimed job and commits the result.

A task never raises to Celery: the job's row has its state, and the reconciler publishes the job again where it is to be retried.
In the order in which a job passes: `claims.claim_for_message`, `start_phase`, `_run_job`, `_run_stages`, the phase's commit (or
`failures.after_error`), `after_commit`. Each job has a thread of its own; those that are rendered in one call meet in the stage
that draws (see batch.py).
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from imgen.domain import errors
from imgen.domain.job import FINISH_QUEUE, Job, State
from imgen.domain.outcome import Outcome
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.domain.review.verdict import PictureBlocked
from imgen.live import block_penalty, epochs, news, waiting
from imgen.provenance.hash_matcher import HASH_MATCH
from imgen.records import assets, audit, cache, engine_calls, job_transitions, picture_records
from workers import companions, failures, outcome, pipeline
from workers.batch import RenderBatch
from workers.claims import claim_companions, claim_for_message
from workers.engines import DrawPreview
from workers.lease import Lease
from workers.persistence import persist
from workers.picture import Context, Picture
from workers.preview import Preview
from workers.process import leave
from workers.remote_render import RemoteRender
from workers.resources import WorkerResources
from workers.stages import review

log = structlog.get_logger(__name__)

Seconds = Mapping[str, float]
"""Time spent, by the timings of `pipeline.Stage`."""

Commits = list[Future[None]]
"""Ends of jobs that are under way."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One of a job's two phases."""

    waiting: State
    """State in which a job waits for this phase."""
    stages: Sequence[pipeline.Stage]
    commit: Callable[[WorkerResources, Job, Picture, Seconds], Job]
    """Writes the phase's result; returns the job as it is then."""


def commit_render(resources: WorkerResources, job: Job, picture: Picture, seconds: Seconds) -> Job:
    """Hands a rendered job on to the finish queue. The call of a remote engine is ended by the same transaction."""
    queued = (job.claimed_at or job.created_at) - job.created_at
    return persist(
        resources.database,
        job_transitions.hand_on if picture.elsewhere is None else hand_on_paid,
        job,
        queue=FINISH_QUEUE,
        master_key=picture.master_key,
        timings={"queue": max(0.0, queued), **seconds},
    )


def hand_on_paid(connection: Connection, job: Job, **result: Any) -> Job:
    """Hands a rendered job on, and ends the call that drew it: until here a next attempt would have gone on with that."""
    engine_calls.end_calls_of(connection, job.id)
    return job_transitions.hand_on(connection, job, **result)


def commit_finish(resources: WorkerResources, job: Job, picture: Picture, seconds: Seconds) -> Job:
    """Ends a job whose picture is stored: completed, or blocked where its verdict is not safe."""
    state, result = outcome.of(job, picture, seconds)
    return persist(resources.database, write_end, job, state, result, picture)


RENDER = Phase(waiting=State.QUEUED, stages=pipeline.RENDER, commit=commit_render)
FINISH = Phase(waiting=State.RENDERED, stages=pipeline.FINISH, commit=commit_finish)


def run_phase(resources: WorkerResources, phase: Phase, job_id: str) -> None:
    """Claims a job, if it waits, and runs one phase of it, and of its companions, to their commits."""
    job = claim_for_message(resources, job_id, queue="", state=phase.waiting)
    if job is not None and phase is RENDER and is_drawn_elsewhere(resources, job):
        draw_elsewhere(resources, job)
    elif job is not None:
        for commit in start_phase(resources, phase, job):
            commit.result()


def start_phase(resources: WorkerResources, phase: Phase, job: Job) -> Commits:
    """Runs one phase of a claimed job, and of those that can be rendered with it, until they need the device no more.

    Returns:
        The rest of each job's phase, with its commit, which goes on beside the next render.
    """
    batch, threads, commits = RenderBatch(resources), ThreadPoolExecutor(companions.LOOKED_AT), Commits()

    def start(claimed: Job) -> None:
        batch.join(claimed.id)
        commits.append(threads.submit(_run_job, resources, phase, claimed, batch))

    start(job)
    try:
        if phase is RENDER:
            for other in claim_companions(resources, job):
                start(other)
    finally:  # the jobs that have started wait for it
        with structlog.contextvars.bound_contextvars(job=job.id):
            batch.run()
        threads.shutdown(wait=False)
    return commits


def draw_elsewhere(resources: WorkerResources, job: Job) -> None:
    """Runs the render phase of a claimed job that engines elsewhere draw, to its commit, in the calling thread."""
    _run_job(resources, RENDER, job, RemoteRender(resources, job))


def is_drawn_elsewhere(resources: WorkerResources, job: Job) -> bool:
    """Returns whether remote engines draw a job's picture."""
    model = resources.catalog.models.get(job.recipe.model)
    return model is not None and model.is_remote


def _run_job(resources: WorkerResources, phase: Phase, job: Job, batch: RenderBatch | RemoteRender) -> None:
    """Runs a phase of a claimed job to its commit, in the job's own thread."""
    run_id = resources.live.run_id
    try:
        with structlog.contextvars.bound_contextvars(job=job.id, fence=job.fence, attempt=job.attempts):
            moved = _run_stages(resources, phase, job, batch)
            if moved is not None:
                after_commit(resources, moved, run_id)
    finally:
        batch.leave(job.id)


def _run_stages(resources: WorkerResources, phase: Phase, job: Job, batch: RenderBatch | RemoteRender) -> Job | None:
    """Runs a phase's stages and commits their result or their error. Returns the job as it is then; None: it was lost."""
    with Lease(
        resources, job, on_hang=partial(_leave_hung, resources, job)
    ) as lease:  # kept until the commit, which may have to wait for the database
        try:
            preview = Preview(resources, job)

            def report(done: int, total: int, draw_preview: DrawPreview) -> None:
                lease.report(done, total)
                preview.offer(draw_preview)

            context = Context(
                job=job,
                model=resources.model_of(job),
                resources=resources,
                checkpoint=lease.check,
                report=report,
                draw=partial(batch.draw, job.id),
                release=partial(batch.release, job.id),
                is_shared=lambda: batch.is_shared,
                loading=partial(lease.watched, resources.settings.workers.load_limit_s),
                limited=lease.limited,
                begin_limit=lease.begin_limit,
            )
            picture, seconds = pipeline.run(phase.stages, Picture(), context)
            return phase.commit(resources, job, picture, seconds)
        except (errors.LeaseLost, errors.Cancelled):
            log.info("job is no longer ours")
            return None
        except PictureBlocked as exc:
            return _end_blocked(resources, job, exc)
        except Exception as exc:  # noqa: BLE001 - an error nobody foresaw must not take the worker along
            return failures.after_error(resources, job, exc)


def _leave_hung(resources: WorkerResources, job: Job) -> None:
    """Puts back a job whose model does not finish loading, from another thread, and ends the process with the hung one."""
    run_id = resources.live.run_id
    limit_s = resources.settings.workers.load_limit_s
    moved = failures.after_error(resources, job, errors.LoadTimedOut(f"The model was not loaded within {limit_s:g} s"))
    if moved is not None:
        after_commit(resources, moved, run_id)
    leave("a model does not finish loading")


def _end_blocked(resources: WorkerResources, job: Job, error: PictureBlocked) -> Job | None:
    verdict = error.verdict
    log.info("job blocked", categories=verdict.codes)
    if HASH_MATCH in verdict.codes and not error.is_for_logo and job.recipe.cache_hit is not None:
        failures.purge_entry(resources, job.recipe.cache_hit)
    blocked = Outcome(blocked=review.blocked(verdict))
    with contextlib.suppress(errors.LeaseLost):
        return persist(resources.database, write_end, job, State.BLOCKED, blocked, Picture(verdict=verdict))
    return None


def write_end(connection: Connection, job: Job, state: State, result: Outcome, picture: Picture) -> Job:
    """Writes a job's end and, in the same transaction, the picture's records, a kept one's cache entry, a blocked one's audit."""
    ended = job_transitions.end(connection, job, state, result)
    assets.add(connection, ended, size_bytes=len(picture.encoded))
    picture_records.add(connection, ended, manifest_key=picture.manifest_key)
    verdict, kept = picture.verdict, picture.kept
    if result.blocked is not None and verdict is not None:
        detail = {"ruleset": job.recipe.ruleset, "floor_version": FLOOR_VERSION} | msgspec.to_builtins(verdict)
        audit.note(
            connection, actor="reviewer", action="blocked", tenant_id=job.tenant_id, subject=job.id, detail=detail
        )
    if state is State.COMPLETED and kept is not None:
        cache.make_ready(
            connection,
            job.recipe.cache_entry_id,
            master_key=kept.key,
            size_bytes=kept.size_bytes,
            codes=kept.codes,
            policy_digest=kept.policy_digest,
            floor_version=FLOOR_VERSION,
        )
    return ended


def after_commit(resources: WorkerResources, job: Job, run_id: str) -> None:
    """Updates the poll view under a run id seen before the commit, publishes the next message, deletes an ended job's master."""
    resources.notify(news.moved(job, run_id))
    is_handed_on = job.state is State.RENDERED and job.attempts == 0 and job.waiting_since is None
    if is_handed_on and job.published_at is None:
        with contextlib.suppress(errors.Unavailable, errors.Retryable):  # the reconciler publishes it then
            resources.live.run(waiting.add(job))
            resources.publisher.publish(job.queue, job.id, job.priority)
            resources.database.attempt(job_transitions.note_published, job.id, job.queue)
    if job.state is State.COMPLETED and job.recipe.cache_entry_id:
        resources.notify(epochs.bump(epochs.CACHE))
    if job.state is State.BLOCKED:
        _penalize(resources, job.quota_owner)
    if job.ended_at is not None:
        log.info("job ended", state=job.state.value, seconds=round(job.ended_at - job.created_at, 2))
        with contextlib.suppress(errors.Retryable):  # the sweeper removes it then
            for stored in list(resources.objects.list(f"work/{job.id}/")):
                resources.objects.delete(stored.key)


def _penalize(resources: WorkerResources, owner: str) -> None:
    """Counts a blocked picture; each beyond the free ones keeps its owner out for twice as long as the one before."""
    review = resources.settings.review
    with contextlib.suppress(errors.Unavailable):
        blocks = resources.live.run(block_penalty.count_block(owner))
        pause_s = block_penalty.pause_s(
            blocks, free=review.free_blocks, first_s=review.slow_down_s, longest_s=review.longest_slow_down_s
        )
        if pause_s:
            resources.live.run(block_penalty.penalize(owner, pause_s))
