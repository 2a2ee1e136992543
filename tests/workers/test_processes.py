"""Worker processes as Celery starts them."""

import contextlib
import subprocess
import sys
import time

import psutil
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs

from imgen.domain.job import State, render_queue
from imgen.records import jobs, ledger


@pytest.fixture
def start_worker(make_resources, tmp_path):
    """Starts `imgen worker` for models with some knobs beside the fixture's; gives its resources and process."""

    @contextlib.contextmanager
    def start(*queues, knobs):
        data, ready = make_resources().settings.data_dir, tmp_path / "ready"
        text = (data / "models.toml").read_text().replace("step_s = 0.0", knobs)
        (data / "models.toml").write_text(text + text.replace("[eros]", "[other]"))
        resources = make_resources("[workers]\nmodel_stay_s = 1\n")
        names = ",".join(queues)
        command = [sys.executable, "-m", "imgen.cli", "worker", "--queues", names, "--ready-file", str(ready)]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--data", str(data)], stderr=log)
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


def publish(resources, words="red coat", model="eros", priority=3):
    recipe = make_recipe(model=model)
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, positive=words, width=256, height=256))
    job = make_job(recipe=recipe, queue=render_queue(model), priority=priority)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    resources.publisher.publish(job.queue, job.id, job.priority)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def state_of(resources, job):
    stored = read(resources, job)
    return stored.state, stored.attempts


def test_a_worker_whose_device_is_dead_starts_a_new_process(start_worker):
    """The job is put back uncounted, its process leaves, and the next job is drawn by another one of the same worker."""

    with start_worker("render.eros", knobs='dead_on = "fatal"') as (resources, main):
        (child,) = main.children()
        fatal = publish(resources, "fatal")
        await_true(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
        waiting = read(resources, fatal)
        assert (waiting.state, waiting.attempts, waiting.error_code) == (State.QUEUED, 0, "device_lost")
        good = publish(resources)
        await_true(lambda: read(resources, good).state is State.RENDERED)
        await_true(lambda: state_of(resources, fatal) == (State.QUEUED, 0))  # it may just be tried again
        assert main.is_running()
        assert child.pid not in [process.pid for process in main.children()]


def test_a_flood_of_one_model_does_not_starve_another(start_worker):
    """A worker of two queues takes up the lone job of the second, and of the cheapest plan, amid a flood of the first."""
    with start_worker("render.eros", "render.other", knobs="step_s = 0.05") as (resources, _main):
        flood = [publish(resources, priority=0) for _ in range(40)]  # 8 s of work
        await_true(lambda: read(resources, flood[0]).claimed_at is not None)
        lone = publish(resources, model="other", priority=9)
        await_true(lambda: read(resources, lone).state is State.RENDERED)
        assert read(resources, flood[-1]).claimed_at is None, "it came last"
        assert read(resources, lone).claimed_at - lone.created_at < 2.5
