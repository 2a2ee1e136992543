"""Failures of attempts: the table from an error to what becomes of the job.

It ends; or it waits for a part that is away, which counts as no attempt; or it is drawn again; or it crashed, and attempts are
counted.
"""

import contextlib
import functools
from collections.abc import Callable

import structlog

from imgen.domain import errors
from imgen.domain.failure import Failure, failure_of
from imgen.domain.job import Job, State
from imgen.domain.outcome import FAILED_OUTCOME, TIMED_OUT_OUTCOME, Outcome
from imgen.domain.recipe import CacheHit
from imgen.live import epochs
from imgen.records import cache, job_transitions
from imgen.settings import Settings
from imgen.settings.sections import Patience
from workers.engines.device import device_error
from workers.persistence import persist
from workers.resources import WorkerResources

log = structlog.get_logger(__name__)


def after_error(resources: WorkerResources, job: Job, error: Exception) -> Job | None:
    """Moves a running job on after an error. Returns the job as it is then; None: another process has moved it."""
    known = error if isinstance(error, errors.ImgenError) else _translated(error)
    failure = failure_of(known)
    log.warning("job stopped", reason=failure.reason, code=failure.code)
    move = next(AFTER[kind] for kind in type(known).__mro__ if kind in AFTER)
    with contextlib.suppress(errors.LeaseLost):
        return move(resources, job, failure)
    return None


def purge_entry(resources: WorkerResources, cache_hit: CacheHit) -> None:
    """Removes a cache entry that cannot be shown: its master is gone, or a match list has it now."""
    with contextlib.suppress(errors.Retryable):
        resources.database.attempt(cache.purge, entry_ids=[cache_hit.entry_id])
        resources.notify(epochs.bump(epochs.CACHE))


def _translated(error: Exception) -> errors.ImgenError:
    """Returns our error of one that no adapter translated."""
    if (known := device_error(error)) is not None:
        return known
    log.error("job failed unexpectedly", exc_info=error)
    return errors.ImgenError(f"An unforeseen {type(error).__name__}; the worker's log has it")


def _end(resources: WorkerResources, job: Job, failure: Failure, *, state: State, outcome: Outcome) -> Job:
    return persist(resources.database, job_transitions.end, job, state, outcome, failure=failure)


_fail = functools.partial(_end, state=State.FAILED, outcome=FAILED_OUTCOME)
_time_out = functools.partial(_end, state=State.TIMED_OUT, outcome=TIMED_OUT_OUTCOME)


def _pass_time_limit(resources: WorkerResources, job: Job, failure: Failure) -> Job:
    """Ends a job over its tier's time limit, which its caller is told."""
    return _end(resources, job, failure, state=State.TIMED_OUT, outcome=Outcome(error=failure.reason))


def _count_crash(resources: WorkerResources, job: Job, failure: Failure) -> Job:
    """Puts a job back for its next attempt, or fails it if there is none left."""
    settings = resources.settings.jobs
    if job.attempts >= settings.max_attempts:
        return _fail(resources, job, failure)
    pause_s = settings.retry_pauses_s[min(job.attempts, len(settings.retry_pauses_s)) - 1]
    return persist(resources.database, job_transitions.put_back, job, failure=failure, pause_s=pause_s)


def _wait(
    resources: WorkerResources, job: Job, failure: Failure, *, patience_of: Callable[[Settings], Patience]
) -> Job:
    """Lets the job wait; each pause is as long as the wait so far, or as the part asked for, within the patience.

    Fails it once nobody has answered for too long.
    """
    patience, since = patience_of(resources.settings), job_transitions.waiting_since(job, failure)
    waited_s = 0.0 if since is None or job.claimed_at is None else job.claimed_at - since
    if waited_s > patience.give_up_s:
        return _fail(resources, job, failure)
    own_s = min(max(patience.first_pause_s, waited_s), patience.longest_pause_s)
    pause_s = max(own_s, min(failure.retry_after_s, patience.give_up_s))
    return persist(resources.database, job_transitions.wait_for_outage, job, failure=failure, pause_s=pause_s)


def _leave_device(resources: WorkerResources, job: Job, failure: Failure) -> Job:
    """Lets the job wait for another process: in this one every later job would fail."""
    resources.is_device_lost = True
    return _wait(resources, job, failure, patience_of=lambda settings: settings.jobs)


def _draw_again(resources: WorkerResources, job: Job, failure: Failure) -> Job:
    """Has the picture drawn again. A cache hit has nothing to draw, and a store that loses each master would be fed for ever."""
    if job.recipe.cache_hit is not None:
        purge_entry(resources, job.recipe.cache_hit)
        return _fail(resources, job, failure)
    if job.masters_lost >= resources.settings.jobs.max_attempts:
        return _fail(resources, job, failure)
    return persist(resources.database, job_transitions.render_again, job, failure=failure)


AFTER: dict[type[errors.ImgenError], Callable[[WorkerResources, Job, Failure], Job]] = {
    errors.ImgenError: _count_crash,
    errors.TimedOut: _time_out,
    errors.TimeLimitPassed: _pass_time_limit,
    errors.ModelError: _fail,
    errors.ConfigurationError: _fail,
    errors.InvalidField: _fail,
    errors.MasterLost: _draw_again,
    errors.DeviceLost: _leave_device,
    errors.Retryable: functools.partial(_wait, patience_of=lambda settings: settings.jobs),
    errors.ReviewerUnavailable: functools.partial(_wait, patience_of=lambda settings: settings.review),
}
"""Error, by its nearest class → what follows. `LeaseLost` and `Cancelled` leave the job alone: another process has moved it."""
