"""The composition root of the workers: a Celery app whose two tasks open the workshop in the child that runs them."""

import socket
import warnings
from collections.abc import Callable

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready

from imgen import composition
from imgen.domain.job import FINISHER, RENDERER
from imgen.live.queue import celery_settings, declared
from imgen.settings import Settings
from workers import tasks
from workers.heartbeat import Heartbeat
from workers.workshop import Workshop, open_workshop


def create_app(settings: Settings, *, name: str = "worker", queues: tuple[str, ...] = ()) -> Celery:
    """A Celery app with the tasks `render` and `finish`; `name` and `queues` are what its processes tell of themselves."""
    app = Celery("imgen")
    app.conf.update(celery_settings(settings.redis_url))
    opened: list[Workshop] = []
    beating: list[Heartbeat] = []

    def work(half: tasks.Half, job_id: str) -> None:
        """The workshop is opened by the first task of a child: connections, CUDA and the signer must not cross a fork."""
        if not opened:
            opened.append(open_workshop(settings))
        opened[0].read_news()
        start()
        with beating[0].working_on(job_id):
            tasks.work(opened[0], half, job_id)
        beating[0].model = opened[0].loaded_model

    def start(**_: object) -> None:
        if not beating:
            beating.append(Heartbeat(settings.redis_url, name=name, queues=queues))

    @app.task(name=RENDERER)  # type: ignore[untyped-decorator]  # Celery has no types
    def render(job_id: str) -> None:
        work(tasks.RENDER, job_id)

    @app.task(name=FINISHER)  # type: ignore[untyped-decorator]  # Celery has no types
    def finish(job_id: str) -> None:
        work(tasks.FINISH, job_id)

    def close(**_: object) -> None:
        while beating:
            beating.pop().close()
        while opened:
            opened.pop().close()

    worker_process_init.connect(start, weak=False)
    worker_process_shutdown.connect(close, weak=False)
    setup_logging.connect(lambda **_: composition.configure_logs(settings.logs), weak=False)
    return app


def run(
    settings: Settings, *, queues: list[str], processes: int, name: str, on_ready: Callable[[], None] | None = None
) -> None:
    """Consumes queues in the foreground until a signal says stop. SIGTERM lets running tasks end and takes no more."""
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
