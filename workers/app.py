"""Composition root of the workers: a Celery app whose two tasks open the resources in the child process that runs them."""

import socket
import warnings
from collections.abc import Callable

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready

from imgen import composition
from imgen.domain.job import FINISH_TASK, RENDER_TASK
from imgen.live.queue import celery_settings, declared
from imgen.settings import Settings
from workers import tasks
from workers.heartbeat import Heartbeat
from workers.resources import WorkerResources, open_resources


def create_app(settings: Settings, *, name: str = "worker", queues: tuple[str, ...] = ()) -> Celery:
    """Makes a Celery app with the tasks `render` and `finish`; `name` and `queues` go into its processes' heartbeats."""
    app = Celery("imgen")
    app.conf.update(celery_settings(settings.redis_url))
    opened: list[WorkerResources] = []
    heartbeats: list[Heartbeat] = []

    def run_phase(phase: tasks.Phase, job_id: str) -> None:
        """Opens the resources with a child's first task: connections, CUDA and the signer must not cross a fork."""
        if not opened:
            opened.append(open_resources(settings))
        opened[0].refresh_if_changed()
        start_heartbeat()
        with heartbeats[0].working_on(job_id):
            tasks.run_phase(opened[0], phase, job_id)
        heartbeats[0].model = opened[0].loaded_model

    def start_heartbeat(**_: object) -> None:
        if not heartbeats:
            heartbeats.append(Heartbeat(settings.redis_url, name=name, queues=queues))

    @app.task(name=RENDER_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def render(job_id: str) -> None:
        run_phase(tasks.RENDER, job_id)

    @app.task(name=FINISH_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def finish(job_id: str) -> None:
        run_phase(tasks.FINISH, job_id)

    def close(**_: object) -> None:
        while heartbeats:
            heartbeats.pop().close()
        while opened:
            opened.pop().close()

    worker_process_init.connect(start_heartbeat, weak=False)
    worker_process_shutdown.connect(close, weak=False)
    setup_logging.connect(lambda **_: composition.configure_logs(settings.logs), weak=False)
    return app


def run(
    settings: Settings, *, queues: list[str], processes: int, name: str, on_ready: Callable[[], None] | None = None
) -> None:
    """Consumes queues in the foreground until a signal. SIGTERM lets running tasks end and takes no more."""
    app = create_app(settings, name=f"{name}@{socket.gethostname()}", queues=tuple(queues))
    app.conf.task_queues = [declared(queue) for queue in queues]
    if on_ready is not None:
        worker_ready.connect(lambda **_: on_ready(), weak=False)
    warnings.simplefilter("ignore", SecurityWarning)  # it warns root of pickle, which accept_content keeps out
    worker = app.Worker(
        hostname=f"{name}@{socket.gethostname()}",
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
