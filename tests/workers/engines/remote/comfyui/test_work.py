"""Kind `comfyui`: work at the server, from its acceptance to its end: found again, cancelled, lost."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs
from pydantic import SecretStr
from servers.comfyui_models import EDIT, MODEL, SHIPPED, TEXT, diffusion, draw, edit, render, right_half
from servers.comfyui_nodes import RED
from servers.event_loop import until
from servers.faulty_http import answer, cut, hang, reset

from imgen.domain.catalog import parse_model
from imgen.domain.errors import Cancelled, LeaseLost, RemoteEngineAway, RemoteEngineFailed, RemoteJobLost, WorkerEnds
from workers.engines import EngineContext, Shot
from workers.engines.remote.calls import JobCalls, TrialCalls
from workers.engines.remote.comfyui import ComfyUI
from workers.engines.remote.drawing import RemoteDrawing
from workers.engines.remote.engine import open_drawing
from workers.engines.remote.protocol import PictureRequest


@pytest.mark.parametrize("is_old", [False, True])
def test_servers_without_jobs_are_asked_by_queue_and_history(client, comfy, is_old):
    """Work is found there while it waits, while it runs and when it has ended."""
    comfy.is_old = is_old

    async def work(client, request):
        assert await client.submit(request) == request.call_id
        answered = await client.wait(request.call_id, request, lambda *_: None)
        with pytest.raises(RemoteJobLost):
            await client.wait(str(uuid.uuid4()), request, lambda *_: None)
        return answered

    assert client(work).file.startswith(b"\x89PNG")
    assert ("GET /queue" in comfy.asked) is is_old


@pytest.mark.parametrize("is_old", [False, True])
def test_a_cancellation_tells_whether_the_work_had_begun(client, comfy, is_old):
    """Work that waits is taken out and free, work that runs is stopped; no other work is touched by either."""
    comfy.is_old = is_old
    comfy.gate.clear()

    async def work(client, request):
        first, second, third = (replaced(request) for _ in range(3))
        for one in (first, second, third):
            await client.submit(one)
        await until(lambda: comfy.drawn)
        assert await client.cancel(second.call_id) is True
        assert (comfy.running["id"], comfy.interrupted) == (first.call_id, "")
        assert await client.cancel(first.call_id) is False
        comfy.gate.set()
        with pytest.raises(RemoteEngineFailed, match="interrupted"):
            await client.wait(first.call_id, first, lambda *_: None)
        assert (await client.wait(third.call_id, third, lambda *_: None)).file
        assert await client.cancel(third.call_id) is False
        assert await client.cancel(str(uuid.uuid4())) is False

    client(work)
    assert len(comfy.drawn) == 2


def test_work_that_began_meanwhile_is_none_that_had_not(client, comfy):
    """Only work that waited before, and that the server does not know afterwards, certainly never ran."""
    comfy.gate.clear()

    async def work(client, request):
        first, second = replaced(request), replaced(request)
        await client.submit(first)
        await client.submit(second)
        await until(lambda: comfy.drawn)
        comfy.faults["POST /api/jobs/*"].append(answer(200, b'{"cancelled": true}'))  # it begins in this moment
        assert await client.cancel(second.call_id) is False
        comfy.faults["POST /api/jobs/*"].append(lambda exchange: (comfy.forget(), answer(200, b"{}")(exchange)))
        assert await client.cancel(first.call_id) is False

    client(work)


def replaced(request):
    return PictureRequest(call_id=str(uuid.uuid4()), choice=request.choice, shot=request.shot)


def test_a_stopped_job_stops_the_work(load, comfy):
    """Within a second, and it is told by id."""
    comfy.gate.clear()

    def stop(*_):
        if comfy.drawn:
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        render(load(), on_step=stop)
    assert time.monotonic() - began < 2
    assert comfy.interrupted == comfy.running["id"]


@pytest.mark.parametrize("is_stopped", [False, True])
def test_work_whose_acceptance_never_came_is_stopped_too(load, comfy, is_stopped):
    """By our id, whether its time is over or its job is stopped; the server said nothing of it."""
    comfy.gate.clear()
    comfy.faults["POST /prompt"].append(lambda exchange: (comfy.serve_unheard(exchange), hang(exchange)))
    comfy.faults["GET /api/jobs/*"].append(answer(400))

    def stop(*_):
        if is_stopped and comfy.drawn:
            raise Cancelled

    with pytest.raises(Cancelled if is_stopped else RemoteEngineFailed):
        render(load(timeout_s=1), on_step=stop)
    assert comfy.interrupted == comfy.running["id"]


def test_work_whose_acceptance_got_lost_is_not_handed_over_twice(client, comfy, running):
    """The server has it by our id."""
    comfy.faults["POST /prompt"].append(lambda exchange: (comfy.serve_unheard(exchange), reset(exchange)))
    assert client(draw).file
    assert len(comfy.drawn) == 1


@pytest.mark.parametrize("fault", [answer(500), answer(504), answer(200, b"<h1>Sign in</h1>"), cut, reset])
def test_work_that_was_not_accepted_counts_as_an_attempt(client, comfy, fault):
    """It is not handed over again by itself."""
    comfy.faults["POST /prompt"].append(fault)
    with pytest.raises(RemoteEngineFailed):
        client(draw)
    assert comfy.asked.count("POST /prompt") == 1
    assert comfy.drawn == []


def test_work_that_the_server_forgot_is_lost(client, comfy):
    """Such as after a restart of it."""
    comfy.gate.clear()

    async def work(client, request):
        engine_job_id = await client.submit(request)
        comfy.forget()
        comfy.gate.set()
        await client.wait(engine_job_id, request, lambda *_: None)

    with pytest.raises(RemoteJobLost):
        client(work)


def test_a_short_outage_is_waited_out(client, comfy):
    """A longer one is told as such: the work may go on."""
    comfy.faults["GET /api/jobs/*"] += [answer(503), reset]
    assert client(draw, outage_s=5).file
    comfy.faults["GET /api/jobs/*"] += [answer(503)] * 99
    with pytest.raises(RemoteEngineAway):
        client(draw)


def test_a_silent_server_counts_as_away(client, comfy):
    """Its connections hang; the work may go on."""
    comfy.faults["GET /api/jobs/*"] += [hang] * 9
    began = time.monotonic()
    with pytest.raises(RemoteEngineAway, match="no whole answer"):
        client(draw)
    assert time.monotonic() - began < 4


def test_a_proxy_that_says_503_is_believed_at_once(client, comfy):
    """Nothing was taken, and the next engine is not kept waiting."""
    comfy.faults["POST /prompt"].append(answer(503, b"", {"Retry-After": "9"}))
    comfy.faults["GET /api/jobs/*"] += [answer(503)] * 9
    with pytest.raises(RemoteEngineAway) as raised:
        client(draw)
    assert raised.value.retry_after_s == 9
    assert comfy.asked == ["POST /prompt"]


def test_a_server_that_is_down_takes_nothing(client):
    """The next engine draws."""
    with pytest.raises(RemoteEngineAway, match="no connection"):
        client(draw, base_url="http://127.0.0.1:9")


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
