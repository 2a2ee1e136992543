"""Models loaded ahead: a worker is ready when they are, and whatever happens to one of them, it becomes so."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs

from imgen.domain.job import State, render_queue
from imgen.live import workers
from imgen.records import jobs, ledger

QUEUES = "render.eros,render.other"
LOADS_S = 1.0


@pytest.fixture
def start_worker(make_resources, tmp_path):
    """Starts `imgen worker` with a second model whose load has some knobs; gives its resources, process and log."""
    started = []

    def start(knobs, *arguments, more=""):
        data = make_resources().settings.data_dir
        text = (data / "models.toml").read_text()
        (data / "models.toml").write_text(
            text + text.replace("[eros]", "[other]").replace("step_s = 0.0", f"memory_mib = 1, {knobs}")
        )
        resources = make_resources(more)
        command = [sys.executable, "-m", "imgen.cli", "worker", "--queues", QUEUES, *arguments]
        log = tmp_path / "log"
        with log.open("wb") as file:
            ready = ["--ready-file", str(tmp_path / "ready")]
            started.append(subprocess.Popen([*command, *ready, "--data", str(data)], stderr=file))
        return resources, psutil.Process(started[-1].pid), log

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def await_true(asked, within_s=60):
    deadline = time.monotonic() + within_s
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def heartbeats(resources):
    return resources.live.run(workers.list_workers())


def render(resources, model):
    """Has a picture drawn; returns the job's state."""
    recipe = make_recipe(model=model)
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, width=256, height=256))
    job = make_job(recipe=recipe, queue=render_queue(model))
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    resources.publisher.publish(job.queue, job.id, job.priority)

    def read():
        with resources.database.read() as connection:
            return jobs.find(connection, job.id)

    await_true(lambda: read().state not in (State.QUEUED, State.RENDERING))
    return read().state


@pytest.mark.parametrize(
    ("arguments", "more"),
    [(["--preload", "other,eros"], ""), ([], '[models]\npreload = ["other", "eros"]\n')],
    ids=["command", "settings"],
)
def test_a_worker_is_ready_when_its_models_are_loaded(start_worker, tmp_path, arguments, more):
    """Until then the panel says that it loads, and it takes no job; then its first job finds the model loaded."""
    resources, _main, log = start_worker(f"load_s = {LOADS_S}", *arguments, more=more)
    await_true(lambda: heartbeats(resources))
    assert [(beat.is_loading, beat.models) for beat in heartbeats(resources)] == [(True, ())]
    assert not (tmp_path / "ready").exists()
    await_true((tmp_path / "ready").exists)
    lines = log.read_text()
    assert lines.index("model preloaded") < lines.index("worker ready")
    await_true(lambda: not heartbeats(resources)[0].is_loading)
    assert [beat.models for beat in heartbeats(resources)] == [("other", "eros")]
    assert render(resources, "other") is State.RENDERED


def test_a_model_that_cannot_be_loaded_ahead_is_told(start_worker, tmp_path):
    """The worker is ready with the others."""
    resources, _main, log = start_worker("load_fails = true", "--preload", "other,eros")
    await_true((tmp_path / "ready").exists)
    assert "a model could not be preloaded" in log.read_text()
    assert "asked to fail when it is loaded" in log.read_text()
    await_true(lambda: [beat.models for beat in heartbeats(resources)] == [("eros",)])
    assert render(resources, "eros") is State.RENDERED


def test_a_model_that_hangs_does_not_keep_the_worker(start_worker, tmp_path):
    """Its process leaves at the limit, the next one loads nothing ahead, and other models draw."""
    limit = "[workers]\nload_limit_s = 1\n"
    resources, _main, log = start_worker("load_s = 600", "--preload", "other", more=limit)
    await_true((tmp_path / "ready").exists)
    assert "a model does not finish loading" in log.read_text()
    assert render(resources, "eros") is State.RENDERED


def test_a_process_that_is_killed_while_it_loads_does_not_keep_the_worker(start_worker, tmp_path):
    """As the kernel does to one whose models are too large."""
    resources, main, _log = start_worker("load_s = 600", "--preload", "other")
    await_true(lambda: heartbeats(resources))
    (child,) = main.children()
    assert not (tmp_path / "ready").exists()
    os.kill(child.pid, signal.SIGKILL)
    await_true((tmp_path / "ready").exists)
    assert render(resources, "eros") is State.RENDERED


def test_a_stop_while_models_are_loaded_is_heard(start_worker, tmp_path):
    """Nothing is under way, so nothing is waited for, and no process stays behind."""
    resources, main, _log = start_worker("load_s = 600", "--preload", "other")
    await_true(lambda: heartbeats(resources))
    children = main.children()
    main.terminate()
    main.wait(30)
    with contextlib.suppress(psutil.NoSuchProcess):
        children[0].wait(30)
    assert not (tmp_path / "ready").exists()
