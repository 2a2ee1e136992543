"""Bodies, pictures and framings made to break the API, sent to a real process: no 5xx, no memory kept, no connection held."""

import collections
import contextlib
import select
import time

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.api import start_api
from servers.redis_server import start_redis
from servers.wire import Wire, exchange, post
from surfaces.action.hostile_bodies import GOOD_MARK, check, data_uri, requests

AT_ONCE = 10
READ_TIMEOUT_S = 2
MAX_QUEUED = 300

SETTINGS = f"""
[http]
read_timeout_s = {READ_TIMEOUT_S}
[jobs]
max_queued = {MAX_QUEUED}
[logs]
level = "WARNING"
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """An API process of this module's own, so that nobody else's requests are in its memory."""
    folder = tmp_path_factory.mktemp("hostile")
    with (
        start_redis(folder) as redis,
        start_api(folder / "var", settings=SETTINGS, environ={"IMGEN_REDIS__URL": redis.url}) as running,
    ):
        yield running


@pytest.fixture
def wires(api):
    """Keep-alive connections to it."""
    opened = [Wire(api.port) for _ in range(AT_ONCE)]
    yield opened
    for wire in opened:
        wire.close()


@pytest.mark.parametrize(("count", "kinds"), [(1_000, 7), pytest.param(10_000, 8, marks=pytest.mark.faults)])
def test_hostile_bodies(api, wires, count, kinds):
    """No 5xx, only the contract's answers; the process keeps neither memory nor descriptors."""
    seen = collections.Counter()

    def send(batch):
        answers = exchange(
            wires, [post(body, key=api.key, Content_Type=kind, Content_Encoding=code) for body, kind, code in batch]
        )
        seen.update(check(body, answer) for (body, _, _), answer in zip(batch, answers, strict=True))

    def run(examples):
        quiet = settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        quiet(given(st.lists(requests, min_size=AT_ONCE, max_size=AT_ONCE))(send))()

    process = psutil.Process(api.process.pid)
    for field in ("wm_image", "image"):  # loads what reads pictures
        api.post({"action": "generate", "prompt": "red coat", field: GOOD_MARK})
    run(count // AT_ONCE // 5)
    rss, descriptors = process.memory_info().rss, process.num_fds()
    seen.clear()
    started = time.perf_counter()
    while seen.total() < count:
        run(count // AT_ONCE)
    seconds = time.perf_counter() - started
    grown = process.memory_info().rss - rss
    print(
        f"{seen.total()} bodies, {seen.total() / seconds:.0f}/s, {rss >> 20} MB + {grown / 2**20:.1f} MB: {dict(seen)}"
    )
    assert grown < 64 << 20  # where a leak would have hundreds: the allocator keeps what it had at its busiest
    assert process.num_fds() <= descriptors + 20  # the pools of connections breathe
    assert len(seen) >= kinds  # else the bodies were not as different as they should be
    assert api.post({"action": "models"}).status_code == 200
    assert "Traceback" not in api.log.read_text()


def test_picture_bombs(api, bombs):
    """Pictures made to take all memory are refused, or used where they are none; the process does not grow, nor stop."""
    process = psutil.Process(api.process.pid)
    empty_queue(api)
    api.post({"action": "generate", "prompt": "red coat", "wm_image": GOOD_MARK})
    before, highest, told = process.memory_info().rss, 0, collections.Counter()
    refused, opened = bombs
    for name, picture in (refused | opened).items():
        answer = api.post({"action": "generate", "prompt": "red coat", "wm_image": data_uri(picture)})
        highest = max(highest, process.memory_info().rss)
        assert answer.status_code in ((400, 413) if name in refused else (200, 413, 429)), (name, answer.text)
        if answer.status_code == 400:
            assert answer.json() == {"error": "Invalid wm_image"}
        told[answer.status_code] += 1
    print(f"{told.total()} bombs: {dict(told)}, grown by {(highest - before) / 2**20:.0f} MB")
    assert told[400] >= 40
    assert highest - before < 100 << 20


def empty_queue(api):
    """Cancels the jobs of the bodies before: no worker takes them, and a full queue is told before a wrong picture."""
    while waiting := api.post({"action": "jobs", "status": "IN_QUEUE", "limit": 100}).json()["jobs"]:
        for job in waiting:
            assert api.post({"action": "cancel", "id": job["id"]}).json() == {"status": "CANCELLED"}


def test_slow_clients_hold_nobody_up(api):
    """Two hundred clients that stop in the head or the body are sent away in time; a poll beside them is answered."""
    whole = post(b'{"action": "models"}', key=api.key)
    silent = [Wire(api.port) for _ in range(200)]
    try:
        for number, wire in enumerate(silent):
            wire.send(whole[: (0, 10, 60, len(whole) - 5)[number % 4]])
        for _ in range(50):
            assert api.post({"action": "models"}).status_code == 200
        answers = [wire.receive() for wire in silent]
        assert {answer.status for answer in answers if answer} <= {408}
        assert all(wire.is_closed() for wire in silent)
    finally:
        for wire in silent:
            wire.close()


def test_a_body_that_trickles_is_cut_off(api):
    """A body sent a byte at a time is given up once it took longer than the time a body may take."""
    wire = Wire(api.port)
    request = post(b'{"action": "models"}' + b" " * 5_000, key=api.key)
    head = request.index(b"\r\n\r\n") + 10
    wire.send(request[:head])
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        for byte in request[head:]:
            wire.link.send(bytes([byte]))
            time.sleep(0.02)
            if select.select([wire.link], [], [], 0)[0]:
                break
    assert time.monotonic() - started < READ_TIMEOUT_S * 10
    answer = wire.receive()
    assert answer is None or (answer.status, answer.error) == (408, "Request timed out")
    wire.close()
