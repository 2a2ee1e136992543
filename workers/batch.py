"""Batch of jobs whose pictures are rendered in one call: each job's thread orders its shot, the worker's main thread renders.

An order that stops, by a cancellation or its time limit, leaves the others whole. Where the call itself fails, each is rendered
alone, so that only the guilty one fails; those for which the task's time does not suffice go back to the queue.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import structlog

from imgen.domain.catalog import Model
from imgen.domain.errors import DeviceLost, ImgenError, NoTimeLeft, OutOfMemory, PictureFlagged
from imgen.domain.job import TASK_LIMIT_S, TASK_MARGIN_S
from workers.engines import Drawn, DrawPreview, Engine, OnStep, Shot
from workers.engines.device import device_error
from workers.resources import WorkerResources

log = structlog.get_logger(__name__)


class AllStopped(Exception):
    """End of a render of which no picture is wanted any more."""


@dataclass(kw_only=True, eq=False)
class Order:
    """Order of a job for one picture."""

    model: Model
    """The same for all orders of a batch."""
    shot: Shot
    prepare: Callable[[], None]
    """Called when the model is loaded; an error stops this order alone."""
    report: OnStep
    """Step callback; an error stops this order alone."""
    loading: Callable[[], AbstractContextManager[object]]
    """Guards the loading of the model."""
    limited: Callable[[float], AbstractContextManager[object]]
    """Makes `report` raise `TimedOut` once its block has run for so many seconds."""
    answer: Future[Drawn | PictureFlagged] = field(default_factory=Future)

    @property
    def is_open(self) -> bool:
        """Returns whether the picture is still wanted."""
        return not self.answer.done()

    def attempt(self, callback: Callable[[], None]) -> None:
        """Runs a callback of an open order; an error answers it."""
        try:
            callback()
        except Exception as exc:  # noqa: BLE001 - the job's own thread raises it
            self.answer.set_exception(exc)


class RenderBatch:
    """Batch of one worker task: jobs join it, order or leave, and `run` renders all that was ordered."""

    def __init__(self, resources: WorkerResources) -> None:
        self._resources = resources
        self._ends_at = time.monotonic() + TASK_LIMIT_S - TASK_MARGIN_S
        """Time by which its renders have to end: Celery kills a task that takes too long, with all its jobs."""
        self._changed = threading.Condition()
        self._undecided: set[str] = set()
        """Jobs that have neither ordered nor left."""
        self._present: list[str] = []
        """Jobs that have not left, in the order in which they joined."""
        self._orders: dict[str, Order] = {}

    def join(self, job_id: str) -> None:
        """Adds a job, before `run`."""
        with self._changed:
            self._undecided.add(job_id)
            self._present.append(job_id)

    @property
    def is_shared(self) -> bool:
        """Whether several jobs have ordered, so that each has only a part of the task's time."""
        return len(self._orders) > 1

    def draw(self, job_id: str, order: Order) -> Drawn | PictureFlagged:
        """Orders a job's picture, once at most, and waits for it.

        Raises:
            ImgenError: what loading, rendering or the order's own callbacks raise.
        """
        with self._changed:
            self._orders[job_id] = order
            self._undecided.discard(job_id)
            self._changed.notify_all()
        return order.answer.result()

    def release(self, job_id: str) -> None:
        """Removes a job that needs the device no more, though it goes on."""
        self.leave(job_id)

    def leave(self, job_id: str) -> None:
        """Removes a job that needs the device no more; again: does nothing."""
        with self._changed:
            self._undecided.discard(job_id)
            if job_id in self._present:
                self._present.remove(job_id)
            self._changed.notify_all()

    def run(self) -> None:
        """Renders once every job has ordered or left, and returns when all have left."""
        with self._changed:
            self._changed.wait_for(lambda: not self._undecided)
            orders = [self._orders[job_id] for job_id in self._present if job_id in self._orders]
        try:
            if orders:
                with self._resources.device:
                    self._render(orders)
        except Exception as exc:  # noqa: BLE001 - the jobs' own threads raise it
            _fail(orders, exc)
        finally:
            _fail(orders, SystemExit("the worker ends"))  # whatever comes, no thread waits for ever
        with self._changed:
            self._changed.wait_for(lambda: not self._present)

    def _render(self, orders: Sequence[Order]) -> None:
        model = orders[0].model
        with contextlib.ExitStack() as guards:
            for order in orders:
                guards.enter_context(order.loading())
            engine = self._resources.models.engine(model, lora=orders[0].shot.diffusion.lora)
        for order in orders:
            order.attempt(order.prepare)
        if wanted := [order for order in orders if order.is_open]:
            self._render_loaded(engine, wanted)

    def _render_loaded(self, engine: Engine, orders: Sequence[Order]) -> None:
        model = orders[0].model
        try:
            pictures = self._call(engine, orders)
        except AllStopped:
            return
        except Exception as exc:
            known = exc if isinstance(exc, ImgenError) else device_error(exc)
            is_batch_too_large = isinstance(known, OutOfMemory) and not self._resources.models.unload_others(model)
            if len(orders) == 1 or isinstance(known, DeviceLost):
                raise
            log.warning(
                "a batch failed, each picture is rendered alone", pictures=len(orders), reason=str(known or exc)
            )
            if is_batch_too_large:
                self._resources.batch_limits[model.key] = len(orders) // 2
            for order in orders:
                if order.is_open:
                    self._render_alone(engine, order)
            return
        for order, picture in zip(orders, pictures, strict=True):
            if order.is_open:
                order.answer.set_result(picture)

    def _render_alone(self, engine: Engine, order: Order) -> None:
        """Renders an order if the task has time for its model's whole limit; else its job waits for another task, uncounted."""

        def render() -> None:
            if self._left_s() < order.model.time_limit_s:
                raise NoTimeLeft
            self._render_loaded(engine, [order])

        order.attempt(render)

    def _left_s(self) -> float:
        return max(0.0, self._ends_at - time.monotonic())

    def _call(self, engine: Engine, orders: Sequence[Order]) -> list[Drawn | PictureFlagged]:
        # A batch takes as long as its pictures one after the other, at the worst
        model = orders[0].model
        longest_s = min(self._resources.settings.workers.longest_render_s, self._left_s())
        limit_s = min(model.time_limit_s * len(orders), longest_s)

        def on_step(done: int, total: int, draw_preview: DrawPreview) -> None:
            for number, order in enumerate(orders):
                if order.is_open:
                    order.attempt(lambda: order.report(done, total, lambda _=0: draw_preview(number)))  # noqa: B023
            if not any(order.is_open for order in orders):
                raise AllStopped

        with contextlib.ExitStack() as limits:
            for order in orders:
                limits.enter_context(order.limited(limit_s))
            return engine.render([order.shot for order in orders], on_step)


def _fail(orders: Sequence[Order], error: BaseException) -> None:
    for order in orders:
        if order.is_open:
            order.answer.set_exception(error)
