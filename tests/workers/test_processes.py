"""Worker processes as Celery starts them."""

import contextlib
import subprocess
import sys
import time

import psutil
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs

from imgen.domain.job import State
from imgen.records import jobs, ledger


@pytest.fixture
def start_worker(make_resources, tmp_path):
    """Starts `imgen worker` for the queue of `eros`, whose device dies of the word "fatal"; gives its resources and process."""
    resources = make_resources()
    models = resources.settings.data_dir / "models.toml"
    models.write_text(models.read_text().replace("step_s", 'dead_on = "fatal", step_s'))

    @contextlib.contextmanager
    def start():
        ready = tmp_path / "ready"
        command = [sys.executable, "-m", "imgen.cli", "worker", "--queues", "render.eros", "--ready-file", str(ready)]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--data", str(resources.settings.data_dir)], stderr=log)
        try:
            await_true(ready.exists)
            yield resources, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)

    return start


def await_true(asked, within_s=60):
    deadline = time.monotonic() + within_s
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def publish(resources, words):
    recipe = make_recipe()
    job = make_job(recipe=structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, positive=words)))
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    resources.publisher.publish(job.queue, job.id, job.priority)
    return job


def test_a_worker_whose_device_is_dead_starts_a_new_process(start_worker):
    """The job is put back uncounted, its process leaves, and the next job is drawn by another one of the same worker."""

    def read(job):
        with resources.database.read() as connection:
            return jobs.find(connection, job.id)

    with start_worker() as (resources, main):
        (child,) = main.children()
        fatal = publish(resources, "fatal")
        await_true(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
        waiting = read(fatal)
        assert (waiting.state, waiting.attempts, waiting.error_code) == (State.QUEUED, 0, "device_lost")
        good = publish(resources, "red coat")
        await_true(lambda: read(good).state is State.RENDERED)
        assert read(fatal).attempts == 0
        assert main.is_running()
        assert child.pid not in [process.pid for process in main.children()]
