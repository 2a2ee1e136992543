"""Time limits of a job's parts: its model's loading has one, and its render has another that begins when the model is there."""

import multiprocessing
import os

import pytest
from factories import PLAN, make_job, make_recipe
from sqlalchemy import update
from structlog.testing import capture_logs

from imgen import configuration, settings
from imgen.domain.errors import ConfigurationError
from imgen.domain.job import TASK_LIMIT_S, State
from imgen.records import jobs, ledger
from imgen.records.tables.jobs import jobs as rows
from workers import tasks
from workers.resources import open_resources


@pytest.fixture
def make_worker(make_resources):
    """Opens resources whose model has other knobs and a time limit of a second, or of so many."""

    def make(call, more="", limit_s=1):
        resources = make_resources()
        path = resources.settings.data_dir / "models.toml"
        text = path.read_text().replace("time_limit_s = 30", f"time_limit_s = {limit_s}")
        path.write_text(text.replace("step_s = 0.0,", f"{call},"))
        return make_resources(more)

    return make


def add(resources):
    job = make_job()
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def test_loading_is_no_part_of_the_render(make_worker):
    """A model that takes longer to load than its picture may take is drawn with all the same."""
    resources = make_worker("load_s = 1.1")
    job = add(resources)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    assert read(resources, job).state is State.RENDERED


def test_a_render_that_takes_too_long_is_timed_out(make_worker):
    """With its own code; the limit is that of the model."""
    resources = make_worker("step_s = 0.3")
    job = add(resources)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    ended = read(resources, job)
    assert (ended.state, ended.error_code) == (State.TIMED_OUT, "timed_out")


def add_limited(resources, limit_s):
    """Adds a job whose tier has a time limit, in seconds."""
    job = make_job(recipe=make_recipe(tier="draft", time_limit_s=limit_s))
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def settled(resources, job):
    with resources.database.read() as connection:
        rows = connection.execute(ledger.ledger.select().where(ledger.ledger.c.job_id == job.id)).all()
    return sorted(row.kind for row in rows)


def test_a_job_over_its_tiers_limit_is_timed_out_and_costs_nothing(make_worker):
    """From its first step on; its caller is told the limit."""
    resources = make_worker("step_s = 0.4", limit_s=30)
    job = add_limited(resources, 1)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    ended = read(resources, job)
    assert (ended.state, ended.error_code, ended.error_reason) == (State.TIMED_OUT, "timed_out", "Timed out after 1 s")
    assert ended.outcome.error == "Timed out after 1 s"
    assert settled(resources, job) == ["hold", "release"]


def test_loading_is_no_part_of_the_tiers_limit(make_worker):
    """A job whose model takes longer to load than the limit is drawn; its deadline counts from the first step."""
    resources = make_worker("load_s = 1.1", limit_s=30)
    job = add_limited(resources, 60)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    rendered = read(resources, job)
    assert rendered.state is State.RENDERED
    assert rendered.first_step_at - job.created_at > 1.0
    assert rendered.deadline_at == pytest.approx(rendered.first_step_at + 60, abs=0.01)


def test_the_limit_holds_after_the_render(resources):
    """A picture that is not finished in time is not published, whoever would finish it."""
    job = add_limited(resources, 60)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    with resources.database.write() as connection:
        past = {"first_step_at": rows.c.first_step_at - 100, "deadline_at": rows.c.deadline_at - 100}
        connection.execute(update(rows).where(rows.c.id == job.id).values(**past))
    tasks.run_phase(resources, tasks.FINISH, job.id)
    ended = read(resources, job)
    assert (ended.state, ended.outcome.error) == (State.TIMED_OUT, "Timed out after 60 s")
    assert list(resources.objects.list("pictures/")) == []


def test_a_job_in_time_is_finished(resources):
    """And charged."""
    job = add_limited(resources, 60)
    for phase in (tasks.RENDER, tasks.FINISH):
        tasks.run_phase(resources, phase, job.id)
    assert read(resources, job).state is State.COMPLETED
    assert settled(resources, job) == ["charge", "hold"]


def _work(data, job_id):
    tasks.run_phase(open_resources(settings.load(data, environ={})), tasks.RENDER, job_id)


def test_a_load_that_hangs_ends_its_process(make_worker):
    """The job is put back with its reason, the attempt counts, and the process leaves with the thread that hangs."""
    resources = make_worker("load_s = 60", "[workers]\nload_limit_s = 0.3\n")
    job = add(resources)
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(resources.settings.data_dir, job.id))
    process.start()
    process.join(30)
    put_back = read(resources, job)
    assert process.exitcode == os.EX_TEMPFAIL
    assert (put_back.state, put_back.attempts, put_back.error_code) == (State.QUEUED, 1, "load_timed_out")
    assert put_back.error_reason == "The model was not loaded within 0.3 s"


def test_a_limit_that_no_worker_can_keep_is_cut(resources):
    """Celery would kill a longer render three times; the log says what was cut, and what leaves more time."""
    path = resources.settings.data_dir / "models.toml"
    path.write_text(path.read_text().replace("time_limit_s = 30", "time_limit_s = 2400"))
    with capture_logs() as told:
        catalog = configuration.load_catalog(resources.settings)
    limits = resources.settings.workers
    assert catalog.models["eros"].time_limit_s == limits.longest_render_s == 300
    assert limits.load_limit_s + limits.longest_render_s < TASK_LIMIT_S
    (line,) = told
    assert (line["model"], line["time_limit_s"], line["used_s"]) == ("eros", 2400, 300)


@pytest.mark.parametrize("limit", [0, -5])
def test_a_limit_that_is_none_is_refused(resources, limit):
    """With the file, the model and the key."""
    path = resources.settings.data_dir / "models.toml"
    path.write_text(path.read_text().replace("time_limit_s = 30", f"time_limit_s = {limit}"))
    with pytest.raises(ConfigurationError, match=r"models\.toml.*eros.*time_limit_s"):
        configuration.load_catalog(resources.settings)
