"""Drawing at several engines: their order, their pauses, the spending cap, and stopping."""

import json
import socket
import threading
import time

import pytest
from pydantic import SecretStr
from servers.faulty_http import answer, hang
from servers.image_engine import KEY, refusal, start_image_engine

from imgen.domain.catalog import parse_model
from imgen.domain.errors import (
    Cancelled,
    RemoteEngineAway,
    RemoteEngineBusy,
    RemoteEngineFailed,
    SpendingCapReached,
)
from imgen.domain.recipe import Diffusion
from imgen.domain.remote_engine import EngineState, parse_remote_engine
from imgen.records import engine_calls
from workers.engines import EngineContext, Shot
from workers.engines.remote.calls import JobCalls
from workers.engines.remote.engine import open_drawing

SHOT = Shot(
    diffusion=Diffusion(
        positive="a red coat",
        negative="",
        width=256,
        height=256,
        seed=7,
        num_inference_steps=4,
        guidance_scale=3.5,
    )
)


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def draw(database, server):
    """Draws a picture of a claimed job at the engines `first` and `second`, both of this server unless told otherwise."""
    opened = []

    def make(**engines):
        tables = {"first": {}, "second": {}} | engines
        usual = {"kind": "openai", "base_url": f"{server.url}/v1", "api_key_env": "REMOTE_KEY", "timeout_s": 20}
        remotes = {key: parse_remote_engine(key, usual | table) for key, table in tables.items()}
        model = parse_model(
            "eros",
            {
                "label": "Remote",
                "backend": "remote",
                "engines": [{"engine": key, "model": f"of-{key}"} for key in tables],
                "steps": {"default": 4},
                "guidance": {"default": 3.5},
                "default_style": "plain",
                "styles": {"plain": {"label": "Plain"}},
            },
        )
        context = EngineContext(remote_engines=remotes, key_in={"REMOTE_KEY": SecretStr(KEY)}.__getitem__)
        drawing = open_drawing(context)
        opened.append(drawing)

        def one(job, on_step=lambda *_: None):
            return drawing.draw(model, SHOT, JobCalls(database, job, max_attempts=3), on_step)

        one.states = drawing.states
        return one

    make.opened = opened
    yield make
    for drawing in opened:
        drawing.close()


def models_asked(server):
    return [json.loads(one.body)["model"] for one in server.requests]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_dead_engine_is_passed_over_and_comes_back_by_itself(draw, claim, server, spent):
    """The second draws in its place; after the pause the first is asked again."""
    one = draw(first={"base_url": f"http://127.0.0.1:{free_port()}", "price": 1})
    assert one(claim()).elsewhere.engine == "second"
    assert spent("first") == 0
    with start_image_engine() as back:
        for pause_s, later in ((600, "second"), (0.2, "first")):
            again = draw(first={"base_url": f"{back.url}/v1", "pause_s": pause_s})
            back.script.append(refusal(503, "starting"))
            assert again(claim()).elsewhere.engine == "second"
            time.sleep(0.25)
            assert again(claim()).elsewhere.engine == later
        assert len(back.requests) == 3


def test_a_refused_key_is_the_engines_state_until_it_is_taken(draw, claim, server):
    """The second engine draws meanwhile; the key itself is not in the state."""
    one = draw(first={"pause_s": 0.2})
    assert one.states() == {}
    server.script.append(refusal(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"))
    assert one(claim()).elsewhere.engine == "second"
    state, second = one.states()["first"], one.states()["second"]
    assert (state.code, "REMOTE_KEY" in state.reason, KEY in state.reason) == ("remote_key_refused", True, False)
    assert second == EngineState()
    time.sleep(max(0, state.until - time.time()) + 0.05)
    assert one(claim()).elsewhere.engine == "first"
    assert one.states()["first"] == EngineState()


def test_where_all_engines_are_away_the_job_waits_for_the_first_to_be_back(draw, claim, server):
    """The shortest pause counts, and each engine's reason is told."""
    server.script += [refusal(429, "busy", **{"Retry-After": "40"}), refusal(503, "away", **{"Retry-After": "9"})]
    with pytest.raises(RemoteEngineAway, match=r"(?s)first.*second") as raised:
        draw()(claim())
    assert raised.value.retry_after_s == 9


def test_a_cap_is_not_the_first_to_be_back(draw, claim, server):
    """It lasts for the month: the job waits for the engine that pauses."""
    server.script.append(refusal(429, "busy", **{"Retry-After": "40"}))
    with pytest.raises(RemoteEngineAway) as raised:
        draw(first={"price": 1, "monthly_cap": 0.5})(claim())
    assert (type(raised.value), raised.value.retry_after_s) == (RemoteEngineBusy, 40)


def test_an_engine_that_fails_three_times_in_a_row_pauses(draw, claim, server):
    """Each failed call is an attempt of its own; the next job is drawn by the second engine."""
    one = draw()
    server.script += [answer(500)] * 3
    for _ in range(3):
        with pytest.raises(RemoteEngineFailed):
            one(claim())
    assert one(claim()).elsewhere.engine == "second"


def test_the_cap_stops_spending_exactly(draw, claim, server, spent):
    """Ten parallel jobs of 0.3 under a cap of 1: three are drawn by the first engine, the others by the second."""
    one = draw(first={"price": 0.3, "monthly_cap": 1, "calls": 10})
    made, threads = [], []
    for job in [claim() for _ in range(10)]:
        threads.append(threading.Thread(target=lambda job=job: made.append(one(job).elsewhere.engine)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["first"] * 3 + ["second"] * 7
    assert spent("first") == 900_000


def test_over_the_cap_without_another_engine_the_job_waits_and_is_told(draw, claim, server):
    """Nothing is asked."""
    with pytest.raises(SpendingCapReached, match="spending cap"):
        draw(first={"price": 1, "monthly_cap": 0.5}, second={"price": 1, "monthly_cap": 0})(claim())
    assert not server.requests


@pytest.mark.parametrize(
    ("reply", "price"),
    [(refusal(429, "busy"), 0), (refusal(400, "invalid_size"), 0), (refusal(400, "moderation_blocked"), 0)],
    ids=["busy", "refused", "policy"],
)
def test_a_call_without_a_picture_is_given_back(draw, claim, server, reply, price, spent):
    """Only what may have been drawn costs."""
    one = draw(first={"price": 1})
    server.script.append(reply)
    try:
        one(claim())
    except Exception as exc:  # noqa: BLE001 - which error it is, other tests say
        assert "first" in str(exc)
    assert spent("first") == price


def test_a_call_of_an_attempt_that_ended_amid_it_is_booked_and_made_again(draw, claim, server, database, spent):
    """The protocol has no id by which it could be found."""
    one = draw(first={"price": 1})
    job = claim()
    first = parse_remote_engine("first", {"kind": "openai", "price": 1})
    database.attempt(engine_calls.open_call, job, engine=first, price_micros=1_000_000)
    assert one(job).elsewhere.engine == "first"
    assert len(server.requests) == 1
    assert spent("first") == 2_000_000


def test_a_worker_that_ends_waits_for_a_call_without_an_id(draw, claim, server, spent):
    """Nobody else could get its picture."""
    one = draw(first={"price": 1})
    arrived = threading.Event()

    def slow(exchange):
        arrived.set()
        time.sleep(0.5)
        server.standing(exchange)

    server.script.append(slow)

    def end(*_):
        if arrived.is_set():
            draw.opened[-1].leave()

    assert one(claim(), end).elsewhere.engine == "first"
    assert spent("first") == 1_000_000


def test_a_stopped_job_breaks_its_call_off(draw, claim, server, spent):
    """Within a second, though the engine would hang; the call counts as paid."""
    one = draw(first={"price": 1})
    server.script.append(hang)
    began = time.monotonic()

    def stop(*_):
        if server.requests:
            raise Cancelled

    with pytest.raises(Cancelled):
        one(claim(), stop)
    assert time.monotonic() - began < 3
    assert spent("first") == 1_000_000
