"""Composition root of the workers: a Celery app whose two tasks open the resources in the child process that runs them."""

import multiprocessing
import socket
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog
from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import (
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)

from imgen import composition
from imgen.domain.errors import ImgenError
from imgen.domain.job import FINISH_QUEUE, FINISH_TASK, RENDER_TASK, TASK_LIMIT_S, TASK_MARGIN_S, Job
from imgen.domain.remote_engine import EngineState
from imgen.live.queue import celery_settings, declared
from imgen.live.queue_order import QueueOrder
from imgen.settings import Settings
from workers import tasks
from workers.claims import claim_for_message
from workers.heartbeat import Heartbeat
from workers.preloading import Preloading, limited, wait_before_consuming
from workers.process import leave
from workers.remote_jobs import RemoteJobs, is_for_engines_elsewhere, room
from workers.resources import WorkerResources, open_resources
from workers.told_capabilities import ToldCapabilities

REMOTE_GRACE_S, BREAK_OFF_S = 55, 5
"""Time for calls under way that no other worker could go on with, and then to put their jobs back; less than that of the stack's
supervisor."""
log = structlog.get_logger(__name__)


class ChildProcess:
    """Child process of a worker. Opens its parts after the fork: connections, CUDA and the signer must not cross it."""

    def __init__(
        self, settings: Settings, *, name: str, queues: tuple[str, ...], processes: int, preloading: Preloading
    ) -> None:
        self._settings = settings
        self._name = name
        self._queues = queues
        self._processes = processes
        self._preloading = preloading
        self._resources: WorkerResources | None = None
        self._heartbeat: Heartbeat | None = None
        self._commits: tasks.Commits = []
        self._stopping = multiprocessing.Event()  # made before the fork, and set by the main process
        self._remote_jobs = RemoteJobs(self._stopping.is_set)
        self._batch_limits: dict[str, int] = {}

    def start(self, **_: object) -> Heartbeat:
        """Starts the heartbeat, and loads the models that are to be loaded ahead."""
        if self._heartbeat is None:
            with self._preloading.begun() as models:
                self._heartbeat = Heartbeat(
                    self._settings.redis_url,
                    name=self._name,
                    queues=self._queues,
                    is_loading=bool(models),
                    capabilities=ToldCapabilities(
                        self._settings,
                        self._queues,
                        batch_limits=self._batch_limits,
                        engine_states=self._engine_states,
                    ),
                    remote_jobs=lambda: self._remote_jobs.ids,
                    signing_trouble=lambda: None if self._resources is None else self._resources.signing_trouble,
                )
                self._preload(models, self._heartbeat)
                self._heartbeat.is_loading = False
        return self._heartbeat

    def _preload(self, keys: Sequence[str], heartbeat: Heartbeat) -> None:
        """Loads models; those that cannot be loaded are logged, and left to their jobs."""
        if not keys:
            return
        try:
            resources = self._resources = self._open()
        except (ImgenError, OSError) as exc:
            log.warning("no model could be preloaded", reason=str(exc))
            return
        for key in keys:
            with limited(self._settings.workers.load_limit_s):
                resources.models.preload(resources.catalog.models[key])
            heartbeat.models = resources.models.keys

    def run_phase(self, phase: tasks.Phase, job_id: str, *, queue: str) -> None:
        """Runs one phase of the job that a message is used for, and leaves its commit under way.

        Ends the process if its device is lost.

        Args:
            phase: the task's.
            job_id: the message's own job.
            queue: queue that the message came from.
        """
        if self._resources is None:
            self._resources = self._open()
        resources, heartbeat = self._resources, self.start()
        resources.refresh_if_changed()
        claim = partial(claim_for_message, resources, job_id, queue=queue, state=phase.waiting)
        if is_for_engines_elsewhere(resources.catalog, queue):
            self._start_elsewhere(resources, claim)
            return
        job = claim()
        with heartbeat.working_on(job.id if job is not None else ""):
            commits = tasks.start_phase(resources, phase, job) if job is not None else []
            self._await_commits()  # of the task before: one at most goes on beside a render
            self._commits = commits
        heartbeat.tell_models(resources.models.keys)
        if resources.is_device_lost:
            self._await_commits()
            heartbeat.close()
            leave("its device does not answer any more")

    def _start_elsewhere(self, resources: WorkerResources, claim: Callable[[], Job | None]) -> None:
        """Starts a job that needs no device here; returns, for the next message, once there is room for another one."""
        self._remote_jobs.start(claim, partial(tasks.draw_elsewhere, resources))
        most = room(resources.catalog, resources.remote_engines, self._queues)
        self._remote_jobs.await_room(most, timeout_s=TASK_LIMIT_S - TASK_MARGIN_S)

    def prepare_stop(self, **_: object) -> None:
        """Tells the process that works, from the main one, that the worker ends."""
        self._stopping.set()

    def close(self, **_: object) -> None:
        """Waits for commits and pictures under way, and closes what is open.

        Work that an engine elsewhere has under an id is left to it: the job goes back to the queue, and its next worker goes on
        waiting.
        """
        if self._resources is not None and self._remote_jobs.are_any:
            self._resources.remote.leave()
            self._remote_jobs.await_all(timeout_s=REMOTE_GRACE_S)
            self._resources.remote.leave(is_over=True)
            self._remote_jobs.await_all(timeout_s=BREAK_OFF_S)
        self._await_commits()
        if self._heartbeat is not None:
            self._heartbeat.close()
        if self._resources is not None:
            self._resources.close()
        self._heartbeat = self._resources = None

    def _open(self) -> WorkerResources:
        resources = open_resources(self._settings, queues=self._queues, processes=self._processes)
        resources.batch_limits = self._batch_limits
        return resources

    def _engine_states(self) -> dict[str, EngineState]:
        return {} if self._resources is None else self._resources.engine_states()

    def _await_commits(self) -> None:
        """Waits until what the latest task left under way is committed; its jobs keep their leases until then."""
        for commit in self._commits:
            if (error := commit.exception()) is not None:
                log.error("a job was left to the reconciler", exc_info=error)
        self._commits = []


def create_app(
    settings: Settings,
    *,
    name: str = "worker",
    queues: tuple[str, ...] = (),
    processes: int = 1,
    preload: Sequence[str] = (),
) -> Celery:
    """Makes a Celery app with the tasks `render` and `finish`.

    Args:
        settings: those of the worker.
        name: for its processes' heartbeats, as `queues`.
        queues: names of the queues that it consumes.
        processes: child processes that share the machine's memory.
        preload: keys of the models that each of them loads before the worker consumes.
    """
    app = Celery("imgen")
    app.conf.update(celery_settings(settings.redis_url))
    preloading = Preloading(preload)
    child = ChildProcess(settings, name=name, queues=queues, processes=processes, preloading=preloading)
    wait_before_consuming(app, preloading)

    @app.task(name=RENDER_TASK, bind=True)  # type: ignore[untyped-decorator]  # Celery has no types
    def render(task: Any, job_id: str) -> None:
        child.run_phase(tasks.RENDER, job_id, queue=task.request.delivery_info["routing_key"])

    @app.task(name=FINISH_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def finish(job_id: str) -> None:
        child.run_phase(tasks.FINISH, job_id, queue=FINISH_QUEUE)

    worker_shutting_down.connect(child.prepare_stop, weak=False)
    worker_process_init.connect(child.start, weak=False)
    worker_process_shutdown.connect(child.close, weak=False)
    setup_logging.connect(lambda **_: composition.configure_logs(settings.logs), weak=False)
    return app


def run(
    settings: Settings,
    *,
    queues: list[str],
    processes: int,
    name: str,
    preload: Sequence[str] = (),
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Consumes queues in the foreground until a signal. SIGTERM lets running tasks end and takes no more."""
    host_name = f"{name}@{socket.gethostname()}"
    app = create_app(settings, name=host_name, queues=tuple(queues), processes=processes, preload=preload)
    order = partial(QueueOrder, settings.redis_url, worker=host_name, stay_s=settings.workers.model_stay_s)
    app.conf.broker_transport_options["queue_order_strategy"] = order
    app.conf.task_queues = [declared(queue) for queue in queues]
    if on_ready is not None:
        worker_ready.connect(lambda **_: on_ready(), weak=False)
    warnings.simplefilter("ignore", SecurityWarning)  # it warns root of pickle, which accept_content keeps out
    worker = app.Worker(
        hostname=host_name,
        quiet=True,
        queues=queues,
        concurrency=processes,
        pool="prefork",
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        optimization="fair",
    )
    worker.start()
