"""Kind `comfyui`: work at the server, from its acceptance to its end: found again, cancelled, lost."""

import time
import uuid

import pytest
from servers.comfyui_models import draw, render
from servers.event_loop import until
from servers.faulty_http import answer, cut, hang, reset

from imgen.domain.errors import Cancelled, RemoteEngineAway, RemoteEngineFailed, RemoteJobLost
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
