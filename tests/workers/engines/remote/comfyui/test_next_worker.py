"""Kind `comfyui` in the life of a job: its work is stopped with it, found by the next worker, and paid once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs
from pydantic import SecretStr
from servers.comfyui_models import EDIT, MODEL, SHIPPED, TEXT, diffusion, edit, right_half
from servers.comfyui_nodes import RED
from servers.faulty_http import answer, reset

from imgen.domain.catalog import parse_model
from imgen.domain.errors import Cancelled, LeaseLost, RemoteEngineAway, RemoteEngineFailed, WorkerEnds
from workers.engines import EngineContext, Shot
from workers.engines.remote.calls import JobCalls, TrialCalls
from workers.engines.remote.comfyui import ComfyUI
from workers.engines.remote.drawing import RemoteDrawing
from workers.engines.remote.engine import open_drawing


@pytest.fixture
def draw_job(comfy, remote, database):
    """Draws a shot for a claimed job, with a drawing of its own each time, as another worker process has it."""
    opened = []

    def make(job, shot, on_step=lambda *_: None):
        context = EngineContext(remote_engines={"elsewhere": remote(price=1)}, workflow_folders=(SHIPPED,))
        opened.append(open_drawing(context))
        model = parse_model("eros", MODEL | {"engines": [TEXT, EDIT]})
        return opened[-1].draw(model, shot, JobCalls(database, job, max_attempts=3), on_step)

    make.opened = opened
    yield make
    comfy.gate.set()
    for drawing in opened:
        drawing.close()


@pytest.fixture
def claimed(claim):
    """A job that a worker has claimed."""
    return claim()


def test_a_job_that_is_stopped_while_its_work_is_refused_costs_nothing(draw_job, claimed, comfy, spent):
    """The server has none of it, though its id is noted already."""
    asked, is_stopped = threading.Event(), threading.Event()
    comfy.faults["POST /prompt"].append(
        lambda exchange: (asked.set(), is_stopped.wait(5), time.sleep(0.1), answer(503)(exchange))
    )

    def stop(*_):
        if asked.is_set():
            is_stopped.set()
            raise Cancelled

    with pytest.raises(Cancelled):
        draw_job(claimed, Shot(diffusion=diffusion()), stop)
    assert spent("elsewhere") == 0


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_the_next_worker_goes_on_with_the_work_of_one_that_is_gone(draw_job, claimed, comfy, is_forgotten, spent):
    """By its id, without another run; a server that forgot it is given it again, with the workflow of the same inputs."""
    comfy.gate.clear()

    def leave(*_):
        if comfy.drawn:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        draw_job(claimed, edit(right_half()), leave)
    if is_forgotten:
        comfy.forget()
    comfy.gate.set()
    drawn = draw_job(claimed, edit(right_half()))
    assert (tuple(drawn.pixels[128, 10]), tuple(drawn.pixels[128, 310])) == ((90, 90, 90), RED)
    assert len(comfy.drawn) == (2 if is_forgotten else 1)
    assert spent("elsewhere") == 1_000_000


@pytest.mark.parametrize("is_last", [False, True])
def test_work_whose_acceptance_got_lost_is_left_to_the_next_attempt(draw_job, claimed, comfy, is_last):
    """It finds it by our id; where there is none any more, the work is stopped."""
    comfy.gate.clear()
    comfy.faults["POST /prompt"].append(lambda exchange: (comfy.serve_unheard(exchange), reset(exchange)))
    comfy.faults["GET /api/jobs/*"].append(answer(400))
    job = structs.replace(claimed, attempts=3 if is_last else 1)
    with pytest.raises(RemoteEngineFailed):
        draw_job(job, Shot(diffusion=diffusion()))
    if is_last:
        assert comfy.remaining == 0 or comfy.interrupted == comfy.running["id"]
    else:
        assert (comfy.remaining, comfy.interrupted) == (1, "")


def test_a_pause_keeps_nobody_from_work_that_is_paid_already(draw_job, claimed, comfy, database):
    """The engine wants no new work; the picture of before is fetched all the same."""
    comfy.gate.clear()

    def leave(*_):
        if comfy.drawn:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        draw_job(claimed, Shot(diffusion=diffusion()), leave)
    comfy.gate.set()
    comfy.faults["POST /prompt"].append(answer(429, b"", {"Retry-After": "90"}))
    model, shot = parse_model("eros", MODEL | {"engines": [TEXT]}), Shot(diffusion=diffusion())
    draw_at = draw_job.opened[-1].draw
    with pytest.raises(RemoteEngineAway):
        draw_at(model, shot, TrialCalls(), lambda *_: None)
    assert (
        tuple(draw_at(model, shot, JobCalls(database, claimed, max_attempts=3), lambda *_: None).pixels[128, 310])
        == RED
    )
    assert len(comfy.drawn) == 1


def test_a_worker_that_ends_leaves_the_work_to_the_next(draw_job, claimed, comfy):
    """It waits for nothing; the next one gets the picture without another run."""
    comfy.gate.clear()

    def end(*_):
        if comfy.drawn:
            draw_job.opened[-1].leave()

    with pytest.raises(WorkerEnds):
        draw_job(claimed, edit(right_half()), end)
    comfy.gate.set()
    assert tuple(draw_job(claimed, edit(right_half())).pixels[128, 310]) == RED
    assert len(comfy.drawn) == 1


def test_fifty_pictures_at_once_are_fifty_runs(comfy, remote):
    """All wait at the server before the first is drawn; each gets its own picture, however busy this machine is."""
    patient = remote(calls=50, timeout_s=500, connect_timeout_s=60)
    drawing = RemoteDrawing(
        {"elsewhere": patient}, lambda one: ComfyUI(one, SecretStr(""), (SHIPPED,), outage_s=patient.timeout_s)
    )
    comfy.gate.clear()
    model = parse_model("eros", MODEL | {"engines": [TEXT]})

    def one(number):
        shot = Shot(diffusion=diffusion(width=256 + 8 * number, height=256))
        return drawing.draw(model, shot, TrialCalls(), lambda *_: None).elsewhere.width

    try:
        with ThreadPoolExecutor(50) as threads:
            made = threads.map(one, range(50))
            with comfy.arrived:
                comfy.arrived.wait_for(lambda: comfy.remaining == 50, 200)  # else the calls tell why
            comfy.gate.set()
            assert list(made) == [256 + 8 * number for number in range(50)]
    finally:
        drawing.close()
    assert len(comfy.drawn) == 50
