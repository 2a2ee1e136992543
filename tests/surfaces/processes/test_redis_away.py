"""A Redis that is gone, or hangs: polls, `generate` and keys meanwhile and afterwards."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from surfaces.processes.calls import DISABLED, await_answer, error, generate, rows, status

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions


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
    assert took[len(took) // 2] < 0.2
    assert rows(shared_database) == before
    redis.start()
    for api in pair:
        await_answer(lambda api=api: generate(api).status_code, 200, within_s=60)
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
