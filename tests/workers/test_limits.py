"""Time limits of a job's parts: its model's loading has one, and its render has another that begins when the model is there."""

import multiprocessing
import os

import pytest
from factories import PLAN, make_job
from structlog.testing import capture_logs

from imgen import configuration, settings
from imgen.domain.errors import ConfigurationError
from imgen.domain.job import TASK_LIMIT_S, State
from imgen.records import jobs, ledger
from workers import tasks
from workers.resources import open_resources


@pytest.fixture
def make_worker(make_resources):
    """Opens resources whose model has other knobs and a time limit of a second."""

    def make(call, more=""):
        resources = make_resources()
        path = resources.settings.data_dir / "models.toml"
        text = path.read_text().replace("time_limit_s = 30", "time_limit_s = 1")
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
