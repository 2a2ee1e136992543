"""What two API processes, a Redis that comes and goes, and browsers of other origins see; and what there is without a cache."""

import base64
import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from servers.api import start_api
from servers.redis_server import start_redis
from sqlalchemy import func, select

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions
from imgen.records.database import Database
from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.ledger import ledger as entries

SETTINGS = "[jobs]\nreconcile_s = 0.5\n"
SHOP = "https://shop.example.com"
DISABLED = (401, "API key is disabled")
EXPOSED = {"Retry-After", "WWW-Authenticate", "ETag", "X-Request-Id", "Idempotency-Replayed", "RateLimit"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """One Redis for all processes of this module; a test that stops it starts it again."""
    with start_redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="module")
def pair(tmp_path_factory, redis):
    """Two API processes over one data folder."""
    data, environ = tmp_path_factory.mktemp("processes") / "var", {"IMGEN_REDIS__URL": redis.url}
    with (
        start_api(data, settings=SETTINGS, environ=environ) as first,
        start_api(data, environ=environ, name="second") as second,
    ):
        second.key = first.key
        yield first, second


@pytest.fixture
def api(pair):
    return pair[0]


@pytest.fixture
def shared_database(pair):
    """The truth that both processes write."""
    opened = Database(f"sqlite:///{pair[0].data / 'imgen.db'}")
    yield opened
    opened.close()


def error(response):
    assert list(response.json()) == ["error"], response.text
    return response.status_code, response.json()["error"]


def rows(shared_database) -> tuple[int, int]:
    """How many jobs and ledger entries there are."""
    with shared_database.read() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar() for table in (job_rows, entries)
        )


def generate(api, **fields):
    return api.post({"action": "generate", "prompt": "red coat"} | fields)


def status(api, job_id):
    return api.post({"action": "status", "id": job_id})


def await_answer(ask, wanted, within_s=15):
    """Asks until the answer is the wanted one; seconds it took."""
    started = time.monotonic()
    while (answer := ask()) != wanted:
        assert time.monotonic() - started < within_s, answer
        time.sleep(0.05)
    return time.monotonic() - started


# ------------------------------------------------------------------ keys


class Caller(threading.Thread):
    """Sends requests to one process without a pause, and notes when each began and what came of it."""

    def __init__(self, api, key):
        super().__init__()
        self.api, self.key = api, key
        self.stopping = threading.Event()
        self.seen: list[tuple[float, int, str]] = []

    def run(self):
        with httpx2.Client(headers={"Authorization": f"Bearer {self.key}"}, timeout=30) as client:
            while not self.stopping.is_set():
                began = time.monotonic()
                response = client.post(f"{self.api.url}/api/v2", json={"action": "random"})
                self.seen.append((began, response.status_code, response.json().get("error", "")))

    def between(self, start, end=float("inf")):
        """What came of the requests that began then."""
        found = [(status, text) for began, status, text in self.seen if start < began < end]
        assert found
        return set(found)


@contextlib.contextmanager
def calling(pair, key):
    """A caller for each process, for the length of the block."""
    callers = [Caller(api, key) for api in pair]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        for caller in callers:
            caller.stopping.set()
            caller.join()


def test_a_disabled_key_is_refused_everywhere_at_once(pair):
    """Under load every request that begins after `keys disable` has returned is a 401 in each process, and after `keys enable` a 200."""
    api, _ = pair
    key = api.imgen("keys", "create", "switched", "--tenant", "first")
    moments = []
    with calling(pair, key) as callers:
        for command in ("disable", "enable"):
            time.sleep(0.3)
            moments.append(time.monotonic())
            api.imgen("keys", command, "switched")
            moments.append(time.monotonic())
        time.sleep(0.3)
    disabling, disabled, enabling, enabled = moments
    for caller in callers:
        assert caller.between(0, disabling) == {(200, "")}
        assert caller.between(disabled, enabling) == {DISABLED}
        assert caller.between(enabled) == {(200, "")}
    print(f"{sum(len(caller.seen) for caller in callers)} requests")
    assert all(generate(process).status_code == 200 for process in pair)  # the other key was never in doubt


def test_a_deleted_key_is_unknown_everywhere_at_once(pair):
    """`keys delete` works in each process with the next request."""
    key = pair[0].imgen("keys", "create", "deleted", "--tenant", "first")
    assert [api.post({"action": "models"}, key).status_code for api in pair] == [200, 200]
    pair[0].imgen("keys", "delete", "deleted")
    assert [error(api.post({"action": "models"}, key)) for api in pair] == [(401, "Invalid API key")] * 2


def test_a_job_of_one_process_is_known_to_the_other(pair):
    """Both answer for one truth: a job made here is polled, listed and cancelled there."""
    here, there = pair
    job = generate(here).json()["id"]
    assert status(there, job).json()["status"] == "IN_QUEUE"
    assert there.post({"action": "cancel", "id": job}).json() == {"status": "CANCELLED"}
    assert status(here, job).json() == {"status": "CANCELLED", "error": "Cancelled"}


# ------------------------------------------------------------------ Redis gone


@pytest.fixture
def known(api, shared_database):
    """Jobs by what a poll must say of them, whatever becomes of Redis."""
    queued, drawn, failed, cancelled = (generate(api).json()["id"] for _ in range(4))
    for job_id in (drawn, failed):
        job = shared_database.attempt(job_transitions.claim, job_id, waiting=State.QUEUED, lease_s=300, max_attempts=3)
        if job_id == failed:
            shared_database.attempt(job_transitions.end, job, State.FAILED, Outcome(error="Generation failed"))
    api.post({"action": "cancel", "id": cancelled})
    return {queued: "IN_QUEUE", drawn: "IN_PROGRESS", failed: "FAILED", cancelled: "CANCELLED"}


@pytest.fixture
def gone(redis):
    """Ends Redis as a crash would; it is there again after the test."""
    yield redis.kill
    if redis.process.poll() is not None:
        redis.start()


def test_without_redis_polls_are_answered_and_nothing_is_taken(pair, redis, shared_database, known, gone):
    """Redis gone: right states from SQL without delay, 503 for `generate` and no row of it; Redis back, empty: all works again."""
    gone()
    before = rows(shared_database)
    for api in pair:
        for _ in range(3):
            started = time.monotonic()
            refused = generate(api)
            assert time.monotonic() - started < 8
            assert error(refused) == (503, "Service unavailable")
            assert int(refused.headers["Retry-After"]) >= 1
        assert httpx2.get(f"{api.url}/readyz").status_code == 503
        assert httpx2.get(f"{api.url}/healthz").status_code == 200
        assert api.post({"action": "usage"}).status_code == 200

    def polls(api):
        took = []
        with httpx2.Client(headers={"Authorization": f"Bearer {api.key}"}, timeout=30) as client:
            for job_id, expected in [*known.items()] * 50:
                started = time.monotonic()
                answer = client.post(f"{api.url}/api/v2", json={"action": "status", "id": job_id})
                took.append(time.monotonic() - started)
                assert (answer.status_code, answer.json()["status"]) == (200, expected)
        return took

    with ThreadPoolExecutor(2) as pool:
        took = sorted(seconds for each in pool.map(polls, pair) for seconds in each)
    slowest = took[int(len(took) * 0.99)]
    print(f"{len(took)} polls without Redis, p99 {slowest * 1000:.0f} ms")
    assert slowest < 0.2
    assert rows(shared_database) == before
    redis.start()
    for api in pair:
        await_answer(lambda api=api: generate(api).status_code, 200, within_s=5)
        assert httpx2.get(f"{api.url}/readyz").status_code == 200
        assert {job_id: status(api, job_id).json()["status"] for job_id in known} == known
        job_id = generate(api).json()["id"]
        print(
            f"on the new Redis's queue after {await_answer(lambda job_id=job_id: is_queued(redis, job_id), True):.1f} s"
        )


def is_queued(redis, job_id) -> bool:
    """Whether a message for this job waits in any list; Celery writes a task's arguments in base64."""
    with redis.client() as client:
        lists = [name for name in client.scan_iter() if client.type(name) == b"list"]
        messages = [json.loads(message) for name in lists for message in client.lrange(name, 0, -1)]
    return any(job_id.encode() in base64.b64decode(message["body"]) for message in messages)


def test_a_key_disabled_while_redis_is_away_is_refused(pair, gone, redis):
    """Nobody can be told of it then, so nobody relies on what it knew: each process refuses at once, and after as well."""
    key = pair[0].imgen("keys", "create", "away", "--tenant", "first")
    assert [api.post({"action": "models"}, key).status_code for api in pair] == [200, 200]
    gone()
    assert [api.post({"action": "models"}, key).status_code for api in pair] == [200, 200]
    pair[0].imgen("keys", "disable", "away")
    assert [error(api.post({"action": "models"}, key)) for api in pair] == [DISABLED] * 2
    redis.start()
    time.sleep(0.6)
    assert [error(api.post({"action": "models"}, key)) for api in pair] == [DISABLED] * 2


def test_a_redis_that_hangs_is_given_up_in_time(pair, redis, shared_database, known):
    """A Redis that takes connections and says nothing: 503 within 8 s, polls answered from SQL; it goes on when Redis does."""

    def meet(api):
        started = time.monotonic()
        refused = error(generate(api))
        gave_up = time.monotonic()
        states = {job_id: status(api, job_id).json()["status"] for job_id in known}
        return refused, states, gave_up - started, time.monotonic() - gave_up

    before = rows(shared_database)
    redis.freeze()
    try:
        with ThreadPoolExecutor(2) as pool:
            met = list(pool.map(meet, pair))
    finally:
        redis.thaw()
    for refused, states, submit_s, polls_s in met:
        print(f"503 after {submit_s:.1f} s, then four polls in {polls_s:.1f} s")
        assert refused == (503, "Service unavailable")
        assert submit_s < 8
        assert states == known
    assert rows(shared_database) == before
    for api in pair:
        await_answer(lambda api=api: generate(api).status_code, 200, within_s=8)


# ------------------------------------------------------------------ other origins


@pytest.fixture(scope="module")
def open_to_shop(pair, redis):
    """A third process over the same folder that browsers of one origin may call."""
    environ = {"IMGEN_REDIS__URL": redis.url, "IMGEN_HTTP__CORS_ORIGINS": json.dumps([SHOP])}
    with start_api(pair[0].data, environ=environ, name="third") as third:
        third.key = pair[0].key
        yield third


def preflight(api, origin, method="POST", headers="authorization, content-type, idempotency-key"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return httpx2.options(f"{api.url}/api/v2", headers=asked)


def access_headers(response):
    return {name: value for name, value in response.headers.items() if name.lower().startswith("access-control")}


def call_from(api, origin, body, key=None):
    headers = {"Authorization": f"Bearer {key or api.key}", "Origin": origin}
    return httpx2.post(f"{api.url}/api/v2", json=body, headers=headers)


def test_cors_is_off_where_nobody_configured_it(api):
    """OPTIONS is a method like any other that is not POST, and no answer speaks of origins."""
    refused = preflight(api, SHOP)
    assert error(refused) == (405, "Method not allowed")
    assert refused.headers["Allow"] == "POST"
    for answer in (refused, call_from(api, SHOP, {"action": "models"}), call_from(api, SHOP, {}, key="x")):
        assert access_headers(answer) == {}


def test_a_configured_origin_may_call(open_to_shop):
    """Its preflight passes, and it may read answers, errors and the headers that the contract names."""
    allowed = preflight(open_to_shop, SHOP)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert set(allowed.headers["Access-Control-Allow-Methods"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}
    assert allowed.headers["X-Request-Id"]
    named = allowed.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in named for name in ("authorization", "content-type", "idempotency-key"))
    for answer, code in (
        (call_from(open_to_shop, SHOP, {"action": "models"}), 200),
        (call_from(open_to_shop, SHOP, {"action": "nope"}), 400),
        (call_from(open_to_shop, SHOP, {"action": "models"}, key="x"), 401),
    ):
        assert answer.status_code == code
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "http://shop.example.com",
        f"{SHOP}.evil.example",
        f"{SHOP}:8443",
        "null",
        SHOP.upper(),
    ],
)
def test_other_origins_may_not(open_to_shop, origin):
    """No preflight passes, and no answer names them as allowed; the call itself is like one without an origin."""
    refused = preflight(open_to_shop, origin)
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" not in refused.headers
    answer = call_from(open_to_shop, origin, {"action": "models"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_allowed_origin_may_use_the_methods_of_the_api(open_to_shop):
    """A preflight for another method is refused, and OPTIONS that is no preflight is a 405."""
    for method, status in (("GET", 200), ("HEAD", 200), ("DELETE", 200), ("PUT", 400), ("PATCH", 400)):
        assert preflight(open_to_shop, SHOP, method=method).status_code == status
    assert error(httpx2.options(f"{open_to_shop.url}/api/v2")) == (405, "Method not allowed")


# ------------------------------------------------------------------ nothing cached


def test_only_the_cache_was_wanted(api, shared_database):
    """`use_cache` with `cache_only` finds nothing and makes nothing; `cache_only` alone counts for nothing."""
    before = rows(shared_database)
    for more in ({}, {"cache_force": True, "cache_pick": 10}, {"optimize": True}):
        missed = generate(api, use_cache=True, cache_only=True, **more)
        assert error(missed) == (404, "No cached result found")
    assert rows(shared_database) == before
    assert generate(api, cache_only=True).json()["id"].startswith("run_")
    made = generate(api, use_cache=True)
    assert made.json()["id"].startswith("run_")
    assert "cache" not in made.json()


@pytest.mark.parametrize(
    ("job_id", "answer"),
    [
        ("cache_" + "0" * 32, (404, "Cached result not found or expired")),
        ("cache_0123456789abcdef0123456789abcdef", (404, "Cached result not found or expired")),
        ("run_" + "A" * 22, (404, "Job not found")),
        ("cache_" + "A" * 32, (400, "Bad ID")),
        ("cache_" + "0" * 31, (400, "Bad ID")),
        ("cache_", (400, "Bad ID")),
    ],
)
def test_an_unknown_cached_result(api, job_id, answer):
    """A well-formed `cache_` id that nobody has is told apart from one that is no id, and from an unknown job."""
    assert error(status(api, job_id)) == answer
