"""Kind `runpod`: work at an endpoint, from its acceptance to its end: told, cancelled, found again, lost."""

import asyncio
import time
import uuid

import pytest
from pydantic import SecretStr
from servers.comfyui_models import MODEL, SHIPPED, diffusion, draw, edit, render, right_half
from servers.comfyui_nodes import RED
from servers.event_loop import until
from servers.faulty_http import answer, cut, hang, reset
from servers.runpod import KEY, PLAIN

from imgen.domain.catalog import parse_model
from imgen.domain.errors import (
    Cancelled,
    LeaseLost,
    ModelError,
    RemoteEngineAway,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteJobLost,
    RemoteKeyRefused,
)
from workers.engines import EngineContext, Shot
from workers.engines.remote.calls import JobCalls
from workers.engines.remote.engine import open_drawing


@pytest.mark.parametrize(
    ("told", "share"),
    [
        ("Update 3/4", 0.75),
        ("step 5 of 4", 1.0),
        ("12.5% done", 0.125),
        (0.5, 0.5),
        (40, 0.4),
        ({"progress": 25, "stage": "draws"}, 0.25),
        ({"percentage": "80%"}, 0.8),
        ("soon", None),
        ("3/0", None),
        (True, None),
        (-1, None),
        (1e308, None),
        ({"progress": ["x"]}, None),
        (["1/2"], None),
        ("9" * 5000 + "/" + "9" * 5000, 1.0),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_progress_is_what_the_handler_tells(client, pod, told, share):
    """In whatever form; what is none is left out."""
    pod.told = told
    pod.steps.clear()
    shares = []

    async def work(client, request):
        engine_job_id = await client.submit(request)
        await until(lambda: any("output" in one.facts for one in pod.works.values()))
        waiting = asyncio.create_task(client.wait(engine_job_id, request, lambda done, _: shares.append(done)))
        await until(lambda: any("/status/" in one for one in pod.asked))
        pod.steps.set()
        return await waiting

    assert client(work).file
    assert set(shares) == ({share} if share is not None else set())


def test_work_in_the_queue_is_free_when_it_is_cancelled(client, pod):
    """Work that a worker has is stopped and paid; no other work is touched by either."""
    pod.steps.clear()

    async def work(client, request):
        first, second, third = [await client.submit(request) for _ in range(3)]
        await until(lambda: pod.begun)
        assert await client.cancel(second) is True
        assert await client.cancel(first) is False
        pod.steps.set()
        for cancelled in (first, second):
            with pytest.raises(RemoteEngineFailed, match="cancelled"):
                await client.wait(cancelled, request, lambda *_: None)
        assert (await client.wait(third, request, lambda *_: None)).file
        assert await client.cancel(third) is False
        assert await client.cancel(f"plain/{uuid.uuid4()}") is False

    client(work)
    assert len(pod.begun) == 2


@pytest.mark.parametrize("facts", [{"workerId": "w"}, {"executionTime": 5}, {"retries": 1}])
def test_work_that_a_worker_once_had_is_paid(client, pod, facts):
    """Also if it waits once more because that worker was lost, or if it was taken at the last moment."""
    pod.workers.clear()

    async def work(client, request):
        engine_job_id = await client.submit(request)
        if "executionTime" in facts:
            pod.faults["POST /v2/plain/cancel/*"].append(lambda exchange: (tell(), pod.serve(exchange)))
        else:
            tell()
        return await client.cancel(engine_job_id)

    def tell():
        next(iter(pod.works.values())).facts.update(facts)

    assert client(work) is False


def test_a_stopped_job_stops_the_work(load, pod):
    """Within two seconds."""
    pod.steps.clear()

    def stop(*_):
        if pod.begun:
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        render(load(), on_step=stop)
    assert time.monotonic() - began < 2
    assert [one.status for one in pod.works.values()] == ["CANCELLED"]


def test_work_that_takes_too_long_is_cancelled(load, pod):
    """It counts as an attempt."""
    pod.workers.clear()
    with pytest.raises(RemoteEngineFailed, match="within 1 s"):
        render(load(timeout_s=1))
    assert [one.status for one in pod.works.values()] == ["CANCELLED"]
    assert pod.begun == []


def test_work_is_found_by_its_id_alone(client, pod):
    """Another client goes on with it, even if the entry names another endpoint by then."""

    async def hand_over(client, request):
        return await client.submit(request)

    engine_job_id = client(hand_over)

    async def go_on(client, request):
        return await client.wait(engine_job_id, request, lambda *_: None)

    assert client(go_on, choice=PLAIN | {"model": "other"}).file
    assert len(pod.begun) == 1


def test_work_that_runpod_forgot_is_lost(client, pod):
    """A result is kept for half an hour."""

    async def work(client, request):
        engine_job_id = await client.submit(request)
        pod.works.clear()
        await client.wait(engine_job_id, request, lambda *_: None)

    with pytest.raises(RemoteJobLost):
        client(work)


@pytest.mark.parametrize("fault", [answer(500), answer(504), answer(200, b"<h1>Sign in</h1>"), cut, reset])
def test_work_whose_acceptance_got_lost_counts_as_an_attempt(client, pod, fault):
    """RunPod may have taken it, and gives no way to find out."""
    pod.faults["POST /v2/plain/run"].append(lambda exchange: (pod.serve_unheard(exchange), fault(exchange)))
    with pytest.raises(RemoteEngineFailed):
        client(draw)
    assert pod.asked.count("POST /v2/plain/run") == 1


def test_a_short_outage_is_waited_out(client, pod):
    """A longer one is told as such: the work may go on."""
    limited = answer(429, b"", {"Retry-After": "1"})
    pod.faults["GET /v2/plain/status/*"] += [answer(503), reset, limited]
    assert client(draw, outage_s=5).file
    pod.faults["GET /v2/plain/status/*"] += [answer(503)] * 99
    with pytest.raises(RemoteEngineAway):
        client(draw)


def test_an_account_that_cannot_be_reached_takes_nothing(client):
    """The next engine draws."""
    with pytest.raises(RemoteEngineAway, match="no connection"):
        client(draw, base_url="http://127.0.0.1:9")


def test_a_refused_key_names_its_variable(client, pod):
    """It is told as the key's fault, and the key is not repeated."""
    with pytest.raises(RemoteKeyRefused, match="RUNPOD_KEY") as raised:
        client(draw, key="rpa_wrong")
    assert "rpa_wrong" not in str(raised.value)
    assert pod.works == {}


def test_a_full_queue_asks_for_a_pause(client, pod):
    """As long as it says."""
    pod.faults["POST /v2/plain/run"].append(answer(429, b'{"error": "queue is full"}', {"Retry-After": "17"}))
    with pytest.raises(RemoteEngineBusy, match="queue is full") as raised:
        client(draw)
    assert raised.value.retry_after_s == 17


def test_an_unknown_endpoint_fails_the_job(load):
    """The entry is wrong."""
    with pytest.raises(ModelError, match="endpoint not found"):
        render(load(PLAIN | {"model": "gone"}))


def test_a_silent_service_counts_as_away(client, pod):
    """Its connections hang; the work may go on."""
    pod.faults["GET /v2/plain/status/*"] += [hang] * 9
    began = time.monotonic()
    with pytest.raises(RemoteEngineAway, match="no whole answer"):
        client(draw)
    assert time.monotonic() - began < 4


@pytest.fixture
def draw_job(pod, remote, database):
    """Draws a shot for a claimed job, with a drawing of its own each time, as another worker process has it."""
    opened = []

    def make(job, shot, on_step=lambda *_: None):
        context = EngineContext(
            remote_engines={"elsewhere": remote(price=1)}, workflow_folders=(SHIPPED,), key_in=lambda _: SecretStr(KEY)
        )
        opened.append(open_drawing(context))
        model = parse_model("eros", MODEL | {"engines": [PLAIN]})
        return opened[-1].draw(model, shot, JobCalls(database, job, max_attempts=3), on_step)

    yield make
    pod.steps.set()
    for drawing in opened:
        drawing.close()


@pytest.fixture
def claimed(claim):
    """A job that a worker has claimed."""
    return claim()


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_the_next_worker_goes_on_with_the_work_of_one_that_is_gone(draw_job, claimed, pod, is_forgotten, spent):
    """Nothing is drawn and paid twice, unless RunPod has lost the work."""
    pod.steps.clear()

    def leave(*_):
        if pod.begun:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        draw_job(claimed, edit(right_half()), leave)
    if is_forgotten:
        pod.works.clear()
    pod.steps.set()
    drawn = draw_job(claimed, edit(right_half()))
    assert (tuple(drawn.pixels[128, 10]), tuple(drawn.pixels[128, 310])) == ((90, 90, 90), RED)
    assert len(pod.begun) == (2 if is_forgotten else 1)
    assert spent("elsewhere") == (2_000_000 if is_forgotten else 1_000_000)


def test_work_that_is_cancelled_in_the_queue_is_not_booked(draw_job, claimed, pod, spent):
    """No worker had it."""
    pod.workers.clear()

    def stop(*_):
        if pod.works:
            raise Cancelled

    with pytest.raises(Cancelled):
        draw_job(claimed, Shot(diffusion=diffusion()), stop)
    assert [one.status for one in pod.works.values()] == ["CANCELLED"]
    assert spent("elsewhere") == 0
