"""Worker processes as Celery starts them."""

import contextlib
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from sqlalchemy import select

from imgen.domain.job import State, render_queue
from imgen.live import waiting
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
            process.wait(120)

    return start


def await_true(asked, within_s=60):
    deadline = time.monotonic() + within_s
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def publish(resources, words="red coat", model="eros", priority=3, tenant="ten_1", number=1):
    """Submits jobs with their messages; returns them, or the only one."""
    recipe = make_recipe(model=model)
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, positive=words, width=256, height=256))
    fields = {"recipe": recipe, "queue": render_queue(model), "priority": priority, "tenant_id": tenant}
    made = [make_job(**fields) for _ in range(number)]
    with resources.database.write() as connection:
        for job in made:
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
    for job in made:
        resources.live.run(waiting.add(job))
        resources.publisher.publish(job.queue, job.id, job.priority)
    return made[0] if number == 1 else made


def claimed_before(resources, job):
    """The jobs of others that were claimed between the submission of a claimed job and its claim."""
    with resources.database.read() as connection:
        rows = connection.execute(select(jobs.jobs.c.id, jobs.jobs.c.claimed_at)).all()
    at = dict(rows)[job.id]
    return [other for other, claimed_at in rows if claimed_at is not None and job.created_at < claimed_at < at]


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
    """A worker of two queues takes up the lone job of the second amid a flood of the first by the same tenant."""
    with start_worker("render.eros", "render.other", knobs="step_s = 0.05") as (resources, _main):
        flood = publish(resources, number=40)  # 8 s of work
        await_true(lambda: read(resources, flood[0]).claimed_at is not None)
        lone = publish(resources, model="other")
        await_true(lambda: read(resources, lone).state is State.RENDERED)
        assert read(resources, flood[-1]).claimed_at is None, "it came last"
        assert len(claimed_before(resources, lone)) < 20  # at 0.2 s each; a worker stays with a model for a second


def test_a_flood_of_one_tenant_holds_another_up_by_one_job(start_worker):
    """Amid 500 jobs of one tenant the only job of another is rendered after the one that is under way."""
    with start_worker("render.eros", knobs="step_s = 0.05") as (resources, _main):
        flood = publish(resources, number=500, tenant="flooding")
        await_true(lambda: read(resources, flood[2]).claimed_at is not None)
        lone = publish(resources, tenant="lone")
        assert resources.live.run(waiting.position("render.eros", lone.id)) in (0, None)
        await_true(lambda: read(resources, lone).claimed_at is not None)
        assert (
            len(claimed_before(resources, lone)) <= 1
        )  # it may have been claimed before the order knew of the lone one


def test_shares_are_equal_and_priority_wins(start_worker):
    """Ten tenants that queue one after the other have had equal shares at any time; urgent jobs come before all of theirs."""
    with start_worker("render.eros", knobs="step_s = 0.01") as (resources, main):
        main.suspend()  # until all have queued
        queued = [job for number in range(10) for job in publish(resources, tenant=f"ten_{number}", number=20)]
        main.resume()
        await_true(lambda: sum(read(resources, job).claimed_at is not None for job in queued[::20]) == 10)
        urgent = publish(resources, tenant="ten_0", priority=0, number=5)
        await_true(lambda: all(read(resources, job).claimed_at is not None for job in urgent))
        assert len(set(claimed_before(resources, urgent[-1])) - {job.id for job in urgent}) <= 1
        await_true(lambda: sum(read(resources, job).claimed_at is not None for job in queued) >= 100)
        stored = sorted((read(resources, job) for job in queued), key=lambda job: job.claimed_at or 4e9)
        shares = Counter(job.tenant_id for job in stored[:100])
        assert len(shares) == 10
        assert max(shares.values()) <= 1.2 * min(shares.values())
