"""Batches: a worker renders waiting jobs of one shape in one call, and each of them keeps a life of its own."""

import multiprocessing
import signal
import threading
import time

import numpy as np
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs

from imgen import settings
from imgen.domain.errors import OutOfMemory
from imgen.domain.job import TASK_LIMIT_S, State
from imgen.domain.recipe import Input, PromptParts
from imgen.live import job_views, waiting
from imgen.records import job_transitions, jobs, ledger, reconcile
from workers import claims, tasks
from workers.engines import instant
from workers.resources import open_resources
from workers.stages import master

KNOBS = 'batch = { max = 4 }\ncall = { crash_on = "fatal", '


@pytest.fixture
def resources(make_resources):
    """Resources of a worker whose model draws four pictures in one call."""
    path = make_resources().settings.data_dir / "models.toml"
    path.write_text(path.read_text().replace("call = { ", KNOBS))
    return make_resources()


@pytest.fixture
def calls(monkeypatch):
    """Prompts of each call of the engine."""
    seen = []
    render = instant.InstantEngine.render

    def recorded(engine, shots, on_step):
        seen.append([shot.diffusion.positive for shot in shots])
        return render(engine, shots, on_step)

    monkeypatch.setattr(instant.InstantEngine, "render", recorded)
    return seen


def submit(resources, prompt="red coat", *, priority=3, recipe=None, **diffusion):
    made = make_recipe(prompt_parts=PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt), **recipe or {})
    own = {"positive": prompt, "width": 256, "height": 256} | diffusion
    job = make_job(recipe=structs.replace(made, diffusion=structs.replace(made.diffusion, **own)), priority=priority)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    resources.live.run(waiting.add(job))
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def states(resources, submitted):
    return [read(resources, job).state for job in submitted]


def test_waiting_jobs_of_one_shape_are_drawn_in_one_call(resources, calls):
    """Up to the model's batch, in the order of the queue; each picture is the one that its job gets alone."""
    late = submit(resources, "late", priority=9)
    submitted = [submit(resources, f"coat {number}", seed=number) for number in range(4)]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert calls == [["coat 0", "coat 1", "coat 2", "coat 3"]]
    assert states(resources, [*submitted, late]) == [State.RENDERED] * 4 + [State.QUEUED]
    for job in submitted:
        rendered = read(resources, job)
        drawn = master.decoded(master.Picture(), resources.objects.get(rendered.master_key)).pixels
        assert np.array_equal(drawn, instant.draw(job.recipe.diffusion))
        assert (rendered.fence, rendered.timings.keys()) == (1, {"queue", "review", "render"})
        assert resources.live.run(job_views.get_view(job.id)).view.state is State.RENDERED


@pytest.mark.parametrize(
    "other",
    [
        {"width": 320},
        {"num_inference_steps": 5},
        {"lora": "x.safetensors"},
        {"lora_scale": 0.5},
        {"upscale": 2},
        {"inputs": (Input(role="source", key="uploads/x", sha256="", strength=0.5),)},
        {"recipe": {"version": 99}},
        {"recipe": {"time_limit_s": 60}},
    ],
    ids=lambda other: str(next(iter(other.items())))[:30],
)
def test_a_job_of_another_shape_is_left_in_the_queue(resources, calls, other):
    """One call draws one size, step count, LoRA, scale, mode and time limit."""
    first, stranger, second = submit(resources), submit(resources, "stranger", **other), submit(resources)
    tasks.run_phase(resources, tasks.RENDER, first.id)
    assert calls == [["red coat", "red coat"]]
    assert states(resources, [first, stranger, second]) == [State.RENDERED, State.QUEUED, State.RENDERED]


@pytest.mark.parametrize(("seconds", "together"), [(None, 1), (70.0, 1), (25.0, 2), (0.01, 3)])
def test_no_batch_is_larger_than_its_tiers_time_limit(resources, calls, seconds, together):
    """As far as the latest pictures of the model tell; with none of them each is drawn alone."""
    if seconds is not None:
        earlier = make_job(state=State.COMPLETED, timings={"render": seconds}, ended_at=1.0)
        resources.database.attempt(jobs.add, earlier)
    submitted = [submit(resources, recipe={"time_limit_s": 60}) for _ in range(3)]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert [len(drawn) for drawn in calls] == [together]


def test_a_model_without_a_batch_draws_one_by_one(make_resources, calls):
    """The default on a CPU."""
    resources = make_resources()
    submitted = [submit(resources) for _ in range(2)]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert states(resources, submitted) == [State.RENDERED, State.QUEUED]


def test_one_that_is_cancelled_leaves_the_others_whole(resources, calls, monkeypatch):
    """The render goes on, and the cancelled picture is dropped."""
    submitted = [submit(resources, f"coat {number}") for number in range(3)]
    render = instant.InstantEngine.render

    def cancel_one(engine, shots, on_step):
        with resources.database.write() as connection:
            job_transitions.cancel(connection, submitted[1].id, submitted[1].tenant_id)
        resources.live.run(job_views.request_cancel(submitted[1].id))
        return render(engine, shots, on_step)

    monkeypatch.setattr(instant.InstantEngine, "render", cancel_one)
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert states(resources, submitted) == [State.RENDERED, State.CANCELLED, State.RENDERED]
    assert [len(shots) for shots in calls] == [3]
    assert len(list(resources.objects.list("work/"))) == 2


def test_the_call_stops_when_nobody_wants_its_pictures(resources):
    """All of them pass the model's time limit at once: each has timed out, and no step is taken for nothing."""
    structs.force_setattr(resources.catalog.models["eros"], "time_limit_s", 1)
    resources.catalog.models["eros"].engine.call["step_s"] = 0.5
    submitted = [submit(resources, num_inference_steps=1000) for _ in range(2)]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert states(resources, submitted) == [State.TIMED_OUT] * 2


@pytest.mark.parametrize(
    ("word", "state", "drawn"),
    [
        ("nude child", State.BLOCKED, [3]),
        ("flagged", State.BLOCKED, [4]),
        ("brokenmodel", State.FAILED, [4, 1, 1, 1, 1]),
        ("flaky", State.QUEUED, [4, 1, 1, 1, 1]),
    ],
)
def test_one_that_fails_fails_alone(resources, calls, word, state, drawn):
    """Blocked by its words, flagged by the model, impossible, or stopped by an outage: the other three are rendered."""
    submitted = [submit(resources, prompt) for prompt in ("red coat", word, "blue coat", "green coat")]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert states(resources, submitted) == [State.RENDERED, state, State.RENDERED, State.RENDERED]
    assert [len(prompts) for prompts in calls] == drawn
    assert {read(resources, job).fence for job in submitted} == {1}


def test_memory_that_suffices_for_one_draws_one_by_one(resources, calls, monkeypatch):
    """No job pays an attempt, and the next batch of this process is half as large."""
    render = instant.InstantEngine.render

    def short_of_memory(engine, shots, on_step):
        pictures = render(engine, shots, on_step)
        if len(shots) > 2:
            raise OutOfMemory
        return pictures

    monkeypatch.setattr(instant.InstantEngine, "render", short_of_memory)
    submitted = [submit(resources) for _ in range(8)]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert states(resources, submitted) == [State.RENDERED] * 4 + [State.QUEUED] * 4
    tasks.run_phase(resources, tasks.RENDER, submitted[4].id)
    assert [len(prompts) for prompts in calls] == [4, 1, 1, 1, 1, 2]
    assert {read(resources, job).fence for job in submitted[:6]} == {1}


def test_what_a_failed_batch_leaves_no_time_for_goes_back_to_the_queue(resources, calls, monkeypatch):
    """Pictures are drawn alone while the task has their model's whole limit; the others wait uncounted, and then are drawn alone."""
    render, model = instant.InstantEngine.render, resources.catalog.models["eros"]

    def short_of_memory(engine, shots, on_step):
        pictures = render(engine, shots, on_step)
        if len(shots) > 1:
            raise OutOfMemory
        structs.force_setattr(model, "time_limit_s", TASK_LIMIT_S)  # from now on, longer than what the task has left
        return pictures

    monkeypatch.setattr(instant.InstantEngine, "render", short_of_memory)
    submitted = [submit(resources) for _ in range(4)]
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    assert states(resources, submitted) == [State.RENDERED] + [State.QUEUED] * 3
    for job in submitted[1:]:
        waits = read(resources, job)
        assert (waits.attempts, waits.error_code, waits.fence) == (0, "no_time_left", 1)
    with resources.database.write() as connection:
        connection.execute(jobs.jobs.update().values(available_at=0))
    structs.force_setattr(model, "time_limit_s", 30)
    submit(resources)  # a companion of every fresh one
    for job in submitted[1:]:
        tasks.run_phase(resources, tasks.RENDER, job.id)
    assert states(resources, submitted) == [State.RENDERED] * 4
    assert [len(prompts) for prompts in calls] == [4, 1, 1, 1, 1]


def _work(data, job_id):
    tasks.run_phase(open_resources(settings.load(data, environ={})), tasks.RENDER, job_id)


def test_a_killed_worker_costs_no_job_and_doubles_none(resources, calls):
    """All of the batch lose the attempt; tried again each is drawn alone, so that only the one that kills its workers fails."""
    submitted = [submit(resources, prompt) for prompt in ("red coat", "fatal", "blue coat")]
    for job in (submitted[0], submitted[1], submitted[1]):
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(resources.settings.data_dir, job.id))
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        with resources.database.write() as connection:
            for lost in submitted:
                reconcile.put_back_lost(connection, lost.id, max_attempts=3, now=time.time() + 60)
            connection.execute(jobs.jobs.update().values(available_at=0))
    for job in submitted[::2]:
        tasks.run_phase(resources, tasks.RENDER, job.id)
    assert states(resources, submitted) == [State.RENDERED, State.FAILED, State.RENDERED]
    assert calls == [["red coat"], ["blue coat"]]
    assert [read(resources, job).fence for job in submitted] == [2, 3, 2]


def test_the_next_render_does_not_wait_for_a_commit(resources, calls, monkeypatch):
    """The master of one picture is stored while the next is drawn; the job keeps its lease and is committed in the end."""
    is_stored = threading.Event()
    put = resources.objects.put

    def slow(*arguments):
        assert is_stored.wait(20)
        return put(*arguments)

    monkeypatch.setattr(resources.objects, "put", slow)
    first, second = submit(resources, "first"), submit(resources, "second", num_inference_steps=5)
    commits = []
    for job in (first, second):
        claimed = claims.claim_for_message(resources, job.id, queue="", state=State.QUEUED)
        commits += tasks.start_phase(resources, tasks.RENDER, claimed)
    assert calls == [["first"], ["second"]]
    assert states(resources, [first, second]) == [State.RENDERING] * 2
    is_stored.set()
    for commit in commits:
        commit.result(20)
    assert states(resources, [first, second]) == [State.RENDERED] * 2
