"""Start of a worker that loads models ahead: it consumes no queue while one of its first processes still loads."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import WorkerTerminate
from celery.worker import state

from workers.process import leave

STOP_CHECK_S = 0.2
"""Interval at which a stop is looked for."""
REAP_S = 0.02
"""Interval at which a process that is about to end is looked for."""
_ENDED = b"."


class Preloading:
    """Models to load ahead, and a pipe whose writing end each process holds meanwhile: it closes by itself where one dies.

    Made before the fork. A process that is started later, for one that has died, loads its models for its jobs.
    """

    def __init__(self, models: Sequence[str]) -> None:
        self._models = tuple(models)
        self._reading, self._writing = os.pipe()
        self._is_over = False

    @contextmanager
    def begun(self) -> Iterator[tuple[str, ...]]:
        """Gives the keys of the models that a child process is to load in the block, which the main process waits for."""
        if self._is_over:
            yield ()
            return
        try:
            yield self._models
        finally:
            os.write(self._writing, _ENDED)
            os.close(self._writing)

    def wait(self, checkpoint: Callable[[], None]) -> int:
        """Waits in the main process until no child process loads; calls the checkpoint, which may raise, all the while.

        Returns:
            Number of child processes that did not die of it.
        """
        os.close(self._writing)
        ended = 0
        try:
            while True:
                if not select.select([self._reading], [], [], STOP_CHECK_S)[0]:
                    checkpoint()
                elif os.read(self._reading, len(_ENDED)):
                    ended += 1
                else:
                    return ended
        finally:
            os.close(self._reading)
            self._is_over = True


@contextmanager
def limited(limit_s: float) -> Iterator[None]:
    """Ends the process if the block takes longer: a thread cannot be stopped while a model hangs."""
    timer = threading.Timer(limit_s, leave, ["a model does not finish loading"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_before_consuming(app: Celery, preloading: Preloading) -> None:
    """Adds a step to the app's workers, after the start of their processes and before that of their consumer."""

    class Wait(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
        """Step that waits. A stop meanwhile is a cold one: no job is under way."""

        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            ended = preloading.wait(_terminate_if_stopped)
            _replace_lost(worker, worker.concurrency - ended)

    app.steps["worker"].add(Wait)


def _replace_lost(worker: Any, lost: int) -> None:
    """Replaces processes that have died before their first job: left to Celery, they would be a pool that cannot start."""
    before = set(worker.pool.info["processes"])
    worker.pool.register_with_event_loop(worker.hub)  # which a new process needs
    while len(before.difference(worker.pool.info["processes"])) < lost:
        worker.pool.maintain_pool()
        time.sleep(REAP_S)


def _terminate_if_stopped() -> None:
    for asked in (state.should_stop, state.should_terminate):
        if asked is not None and asked is not False:
            raise WorkerTerminate(asked)
