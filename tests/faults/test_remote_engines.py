"""Jobs drawn elsewhere while their worker is killed at any point, and while their engine is away, busy or answers nonsense."""

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from faults.truth import Truth, kill_group, main_of, truth_of
from servers.comfyui import Comfy, start_comfyui
from servers.comfyui_models import MODEL, TEXT
from servers.faulty_http import FaultyServer, answer, reset
from servers.stack import Stack, start_stack
from sqlalchemy import func, select

from imgen.domain.job import ENDED, Job, State
from imgen.records import engine_calls
from imgen.records.tables.engines import engine_spending

SETTINGS = """
default_plan = "unlimited"

[jobs]
lease_s = 4
reconcile_s = 0.3
first_pause_s = 0.5
longest_pause_s = 1
retry_pauses_s = [0.3]

[cache]
enabled = false
"""
EACH = 5
"""Jobs at each of ten points: fifty in all."""


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[FaultyServer, Comfy]]:
    with start_comfyui() as started:
        yield started


@pytest.fixture(scope="module")
def stack(engine, tmp_path_factory) -> Iterator[Stack]:
    """A stack whose only model is drawn by the server; a picture costs one."""
    data = tmp_path_factory.mktemp("remote") / "var"
    data.mkdir()
    entry = MODEL | {"default_style": "professional", "styles": {"professional": {"label": "Professional"}}}
    table = "\n".join(f"{name} = {_toml(value)}" for name, value in (entry | {"engines": [TEXT]}).items())
    own = f'[elsewhere]\nkind = "comfyui"\nbase_url = "{engine[0].url}"\ncalls = 4\nprice = 1\npause_s = 0.5\n'
    (data / "engines.toml").write_text(own)
    with start_stack(data, settings=SETTINGS, models=f"[eros]\n{table}\n") as started:
        yield started


@pytest.fixture
def truth(stack) -> Iterator[Truth]:
    with truth_of(stack.data) as opened:
        yield opened


@pytest.fixture
def comfy(engine) -> Comfy:
    """State of the server, which has been asked nothing."""
    engine[1].reset()
    return engine[1]


def _toml(value: object) -> str:
    """A value as TOML writes it, tables inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def await_true(asked: Callable[[], object], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not asked():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.002)


def points(truth: Truth, comfy: Comfy, made: list[Job]) -> dict[str, Callable[[], object]]:
    """Points of a remote job, in its order, by what tells that the first of some jobs has reached it."""
    ids = [job.id for job in made]

    def call(job_id: str) -> engine_calls.EngineCall | None:
        with truth.database.read() as connection:
            return engine_calls.find_open(connection, job_id)

    def masters() -> list[object]:
        return [path for job_id in ids for path in (truth.data / "objects" / "work" / job_id).glob("*.png")]

    return {
        "it is claimed": lambda: any(job.state is State.RENDERING for job in truth.jobs(ids)),
        "its call is booked": lambda: any(map(call, ids)),
        "its id is noted": lambda: any((one := call(job_id)) and one.engine_job_id for job_id in ids),
        "it is handed over": lambda: "POST /prompt" in comfy.asked,
        "its events are heard": lambda: comfy.sockets,
        "it is drawn": lambda: comfy.drawn,
        "it is finished there": lambda: comfy.history,
        "its picture is fetched": lambda: "GET /view" in comfy.asked,
        "its master is stored": masters,
        "it is handed on": lambda: any(job.state not in (State.QUEUED, State.RENDERING) for job in truth.jobs(ids)),
    }


HELD = (
    "it is claimed",
    "its call is booked",
    "its id is noted",
    "it is handed over",
    "its events are heard",
    "it is drawn",
)
"""Points at which the engine does not get on: its samplers wait."""


@pytest.mark.faults
def test_a_worker_killed_at_any_point_pays_each_picture_once(stack: Stack, truth: Truth, comfy: Comfy):
    """Ten kills, five jobs at each: fifty pictures, fifty runs at the engine, fifty in the books."""
    ids: list[str] = []
    for number, point in enumerate(points(truth, comfy, [])):
        drawn = len(comfy.drawn)
        comfy.forget()
        comfy.asked = []
        comfy.drawn, before = [], comfy.drawn
        comfy.gate.clear() if point in HELD else comfy.gate.set()
        main = main_of(stack, "render")
        made = truth.jobs(truth.submit(EACH, words=f"red coat number {number}"))
        await_true(points(truth, comfy, made)[point])
        kill_group(main)
        comfy.gate.set()
        ids += [job.id for job in made]
        truth.await_ended([job.id for job in made], within_s=60)
        truth.check_once([job.id for job in made])  # first: it tells how a job ended
        comfy.drawn = before + comfy.drawn
        assert len(comfy.drawn) == drawn + EACH, point
    truth.check_once(ids)
    assert len(comfy.drawn) == 10 * EACH
    with truth.database.read() as connection:
        booked = connection.execute(
            select(func.sum(engine_spending.c.calls), func.sum(engine_spending.c.amount_micros))
        ).one()
    assert tuple(booked) == (10 * EACH, 10 * EACH * 1_000_000)


@pytest.mark.faults
def test_jobs_outlast_an_engine_that_is_away_busy_and_broken(stack: Stack, truth: Truth, engine, comfy: Comfy):
    """It refuses connections for a while, then has too much to do, then answers nonsense: all complete, or their end is told."""
    server, _ = engine
    usual = server.standing
    phases = SimpleNamespace(
        away=reset,
        busy=answer(429, b"{}", {"Retry-After": "1"}),
        broken=answer(200, b"<h1>Bad gateway</h1>"),
    )
    try:
        server.standing = phases.away
        ids = truth.submit(20, words="blue hat")
        for behaviour, lasts_s in ((phases.busy, 3), (phases.broken, 1.5), (usual, 0)):
            time.sleep(lasts_s)
            server.standing = behaviour
    finally:
        server.standing = usual
    truth.await_ended(ids, within_s=90)
    ended = truth.jobs(ids)
    assert {job.state for job in ended} <= ENDED
    for job in ended:
        assert job.state is State.COMPLETED or (job.state is State.FAILED and job.error_code == "remote_engine_failed")
    assert any(job.state is State.COMPLETED for job in ended)
    later = truth.submit(3, words="green scarf")
    truth.await_ended(later)
    truth.check_once(later)
