"""Lease of a claimed job: a thread renews it while the stages run; stages check it, and report progress, through it."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import structlog
from msgspec import UNSET

from imgen.domain.errors import Cancelled, ImgenError, LeaseLost, TimedOut, Unavailable
from imgen.domain.job import Job, deadline_error
from imgen.live import job_views, news
from imgen.live.command import Calls
from imgen.records import job_transitions
from workers.process import leave
from workers.resources import WorkerResources

log = structlog.get_logger(__name__)

RENEWALS_PER_LEASE = 4
PROGRESS_EVERY_S = 0.1


class Lease:
    """Lease of one job; a context manager around the work on it."""

    def __init__(
        self, resources: WorkerResources, job: Job, *, on_hang: Callable[[], None] = lambda: leave("it hangs")
    ) -> None:
        """Takes a function that the lease's thread calls when a block of `watched` runs for too long."""
        self._resources = resources
        self._job = job
        self._on_hang = on_hang
        self._deadline_at, self._passed = job.deadline_at, deadline_error(job)
        """Deadline of the job, and the error of one past it; a tier's time limit changes both."""
        self._give_up_at = math.inf
        self._hangs_at = math.inf
        self._lost = threading.Event()
        self._done = threading.Event()
        self._reported_at = 0.0
        self._least: float | None = 0.0
        """Progress that pollers have seen; None: unknown, so none is reported."""
        self._told_step = 0
        """Latest step of the progress that was news."""
        self._thread = threading.Thread(target=self._renew, name=f"lease {job.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @contextlib.contextmanager
    def limited(self, limit_s: float) -> Iterator[None]:
        """Makes `check` raise `TimedOut` once the block has run for so long."""
        self._give_up_at = time.monotonic() + limit_s
        try:
            yield
        finally:
            self._give_up_at = math.inf

    @contextlib.contextmanager
    def watched(self, limit_s: float) -> Iterator[None]:
        """Calls `on_hang` if the block, which cannot be asked to stop, runs for so long."""
        self._hangs_at = time.monotonic() + limit_s
        try:
            yield
        finally:
            self._hangs_at = math.inf

    def begin_limit(self) -> None:
        """Begins the time limit of the job's tier, if it has one and no earlier attempt began it.

        Raises:
            Retryable: the database does not answer.
            LeaseLost: another process has moved the job.
        """
        limit_s, database = self._job.recipe.time_limit_s, self._resources.database
        if limit_s is not UNSET and self._job.first_step_at is None:
            begun = database.attempt(job_transitions.note_first_step, self._job, limit_s=limit_s)
            self._deadline_at, self._passed = begun.deadline_at, deadline_error(begun)

    def check(self) -> None:
        """Raises `LeaseLost` or `TimedOut` if the work has to stop."""
        if self._lost.is_set():
            raise LeaseLost
        if time.monotonic() > self._give_up_at:
            raise TimedOut
        if time.time() > self._deadline_at:
            raise self._passed

    def report(self, done: int, total: int) -> None:
        """Publishes progress for pollers, ten times a second at most. Raises as `check` does, and `Cancelled`."""
        self.check()
        now = time.monotonic()
        if now - self._reported_at < PROGRESS_EVERY_S and done < total:
            return
        live, job, is_first = self._resources.live, self._job, not self._reported_at
        self._reported_at = now
        try:
            if is_first and job.fence > 1:
                self._least = None
                self._least = live.run(job_views.get_progress(job.id))
            progress = None if self._least is None else max(self._least, done / total)
            told = self._news(progress)
            is_cancelled = live.run(job_views.set_progress(job.id, progress, fence=job.fence, news=told))
        except Unavailable:
            return
        if is_cancelled:
            raise Cancelled

    def _news(self, progress: float | None) -> Calls:
        """Returns the call that tells the progress, if it has reached another step."""
        if progress is None or (step := int(progress * news.STEPS)) == self._told_step:
            return ()
        self._told_step = step
        return (news.progressed(self._job, progress),)

    def _renew(self) -> None:
        lease_s = self._resources.settings.jobs.lease_s
        while not self._done.wait(lease_s / RENEWALS_PER_LEASE):
            if time.monotonic() > self._hangs_at:
                self._on_hang()
                return
            try:
                if not self._resources.database.attempt(job_transitions.renew, self._job, lease_s=lease_s):
                    self._lost.set()
                    return
            except ImgenError as exc:
                log.warning("lease not renewed", job=self._job.id, reason=str(exc))
