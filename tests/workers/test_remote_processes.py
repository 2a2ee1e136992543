"""Worker processes with remote jobs: many at once without torch, and what a stop does with them."""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from servers.comfyui import start_comfyui
from servers.faulty_http import start_faulty_http
from servers.image_engine import KEY, draw

from imgen.domain.job import State, render_queue
from imgen.live import epochs, waiting, workers
from imgen.records import engine_calls, jobs, ledger

MODEL = """
[eros]
label = "Eros"
backend = "remote"
engines = [{{ engine = "{engine}", {entry} }}]
steps = {{ default = 4 }}
guidance = {{ default = 3.5 }}
default_style = "professional"
styles = {{ professional = {{ label = "Professional" }} }}
"""
ENGINE = '[elsewhere]\nkind = "{kind}"\nbase_url = "{url}"\ncalls = {calls}\nprice = 1.0\n'
WORKFLOW = """workflow = "sdxl.json", takes = ["seed", "steps", "negative"], nodes = { \
prompt = "6.text", negative = "7.text", width = "5.width", height = "5.height", seed = "3.seed", steps = "3.steps" }"""


class Gate:
    """Images server that draws only while its gate is open, and knows how many requests waited at once."""

    def __init__(self):
        self.open = threading.Event()
        self.lock = threading.Lock()
        self.inside = self.peak = 0

    def __call__(self, exchange):
        with self.lock:
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        try:
            self.open.wait(30)
            draw(exchange)
        finally:
            with self.lock:
                self.inside -= 1


@pytest.fixture
def start_worker(make_resources, tmp_path, monkeypatch):
    """Starts `imgen worker` for a model drawn by a server; gives the resources and the main process."""
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)

    @contextlib.contextmanager
    def start(kind, url, *, calls, entry, more="", engine="elsewhere"):
        data, ready = tmp_path / "var", tmp_path / "ready"
        (data / "models.toml").write_text(MODEL.format(engine=engine, entry=entry))
        (data / "engines.toml").write_text(ENGINE.format(kind=kind, url=url, calls=calls) + more)
        resources = make_resources()
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "imgen.cli", "worker", "--queues", "render.eros", "--ready-file", str(ready)]
        process = subprocess.Popen([*command, "--data", str(data)])
        try:
            await_true(ready.exists)
            yield resources, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)

    return start


def await_true(asked, within_s=30):
    deadline = time.monotonic() + within_s
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def publish(resources, number):
    """Submits jobs with their messages."""
    recipe = make_recipe(model="eros")
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, width=256, height=256, lora=""))
    made = [make_job(recipe=recipe, queue=render_queue("eros")) for _ in range(number)]
    with resources.database.write() as connection:
        for job in made:
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
    for job in made:
        resources.live.run(waiting.add(job))
        resources.publisher.publish(job.queue, job.id, job.priority)
    return made


def found(resources, made):
    with resources.database.read() as connection:
        return [jobs.find(connection, job.id) for job in made]


def are_rendered(resources, made):
    return all(job.state is State.RENDERED for job in found(resources, made))


def test_a_worker_whose_engines_are_missing_starts_all_the_same(start_worker, tmp_path):
    """Its job waits, without an attempt that counts; once the file names the engine, the next job is drawn."""
    file, more = tmp_path / "var" / "engines.toml", 'api_key_env = "ELSEWHERE_KEY"\n'
    with (
        start_faulty_http(draw) as server,
        start_worker("openai", f"{server.url}/v1", calls=1, entry='model = "m"', more=more, engine="gone") as (
            resources,
            main,
        ),
    ):
        early = publish(resources, 1)
        await_true(lambda: found(resources, early)[0].waiting_since is not None)
        assert (found(resources, early)[0].attempts, server.requests) == (0, [])
        file.write_text(file.read_text().replace("[elsewhere]", "[gone]"))
        resources.live.run(epochs.bump(epochs.CONFIGURATION))
        made = publish(resources, 1)
        await_true(lambda: are_rendered(resources, made))
        assert main.is_running()


def test_a_process_holds_as_many_jobs_as_its_engines_take_and_loads_no_torch(start_worker):
    """The heartbeat tells their number; as many again are claimed, and wait for their turn."""
    gate = Gate()
    more = 'api_key_env = "ELSEWHERE_KEY"\n'
    with (
        start_faulty_http(gate) as server,
        start_worker("openai", f"{server.url}/v1", calls=6, entry='model = "m"', more=more) as (resources, main),
    ):
        made = publish(resources, 15)
        await_true(lambda: gate.inside == 6)
        await_true(lambda: [one.jobs for one in resources.live.run(workers.list_workers())] == [12])
        assert sum(job.state is State.RENDERING for job in found(resources, made)) == 12
        gate.open.set()
        await_true(lambda: are_rendered(resources, made))
        assert (gate.peak, len(server.requests)) == (6, 15)
        (child,) = main.children()
        mapped = Path(f"/proc/{child.pid}/maps").read_text()
        assert "sqlite" in mapped.lower()
        assert "libtorch" not in mapped


def test_a_stopped_worker_waits_for_pictures_that_cannot_be_found_again(start_worker):
    """The jobs under way are rendered, each by its only call."""
    gate = Gate()
    more = 'api_key_env = "ELSEWHERE_KEY"\n'
    with (
        start_faulty_http(gate) as server,
        start_worker("openai", f"{server.url}/v1", calls=2, entry='model = "m"', more=more) as (resources, main),
    ):
        made = publish(resources, 3)
        await_true(lambda: gate.inside == 2 and states(resources, made) == [State.RENDERING] * 3)
        main.terminate()
        await_true(lambda: states(resources, made) == [State.QUEUED, State.RENDERING, State.RENDERING])
        gate.open.set()
        main.wait(30)
        assert states(resources, made) == [State.QUEUED, State.RENDERED, State.RENDERED]
        assert len(server.requests) == 2


def states(resources, made):
    return sorted(job.state for job in found(resources, made))


def test_a_stopped_worker_leaves_work_that_has_an_id_to_the_next_one(start_worker):
    """The job is put back uncounted, and its call stays open: the engine is asked once for each picture."""
    with start_comfyui() as (server, comfy):
        comfy.gate.clear()
        with start_worker("comfyui", server.url, calls=4, entry=WORKFLOW) as (resources, main):
            made = publish(resources, 3)
            await_true(lambda: sum(path == "POST /prompt" for path in comfy.asked) == 3)
            began = time.monotonic()
            main.terminate()
            main.wait(30)
            assert time.monotonic() - began < 10
            put_back = found(resources, made)
            assert {(job.state, job.attempts, job.error_code) for job in put_back} == {(State.QUEUED, 0, "worker_ends")}
            with resources.database.read() as connection:
                assert all(engine_calls.find_open(connection, job.id) for job in made)
        comfy.gate.set()
        for job in made:
            tasks_run(resources, job)
        assert are_rendered(resources, made)
        assert len(comfy.drawn) == 3


def tasks_run(resources, job):
    """Renders a job as the next worker does, once its pause is over."""
    from workers import tasks

    await_true(lambda: found(resources, [job])[0].available_at <= time.time())
    tasks.run_phase(resources, tasks.RENDER, job.id)
