"""`optimize` over HTTP, by an endpoint that may do anything."""

import json
import threading
import time

import httpx2
import pytest
from servers.chat import ADDED, FAULTS, HANGS, better
from servers.local import start_local_api
from servers.redis_server import start_redis
from services.enhance.prompts import KEY
from structlog.testing import capture_logs

HTTP_TIMEOUT_S = 1


@pytest.fixture(scope="module")
def running_api(tmp_path_factory, running_chat):
    """An API of this process whose enhancer is the endpoint."""
    folder = tmp_path_factory.mktemp("enhance")
    settings = f"""
[enhancer]
base_url = "{running_chat.base_url}"
api_key = "{KEY}"
model = "wordsmith"
timeout_s = {HTTP_TIMEOUT_S}
pause_s = 0
"""
    with start_redis(folder) as redis, start_local_api(folder / "var", redis.url, settings) as started:
        yield started


@pytest.fixture
def api(running_api, chat):
    """The API, its endpoint in order."""
    return running_api


def books(api) -> tuple[list, dict]:
    """The tenant's jobs, and its counts of pictures."""
    jobs = api.post({"action": "jobs", "limit": 100}).json()["jobs"]
    usage = api.post({"action": "usage"}).json()
    for period in usage["tenant"].values():
        period.pop("requests")
    return [job["id"] for job in jobs], usage["tenant"]


def told(response) -> tuple[int, dict]:
    return response.status_code, response.json()


def test_optimize_rewrites_the_positive_part(api, chat):
    """`optimize` answers the whole prompt, character first and negatives last, and sends the named style's hints."""
    body = {"action": "optimize", "prompt": "@aya red coat, on a bench, -hat", "model": "eros", "style": "cinematic"}
    assert told(api.post(body)) == (200, {"prompt": f"@aya red coat, on a bench, {ADDED}, -hat"})
    (asked,) = chat.asked
    assert asked.said("user") == "red coat, on a bench"
    assert "Style: Cinematic" in asked.said("system")


def test_optimize_of_a_good_prompt_changes_nothing(api, chat):
    """Nothing to improve: the same prompt."""
    chat.will(always=better("red coat, on a bench"))
    body = {"action": "optimize", "prompt": "@aya red coat, on a bench, -hat"}
    assert told(api.post(body)) == (200, {"prompt": "@aya red coat, on a bench, -hat"})


@pytest.mark.parametrize("fault", ["401", "500", "prose", "an error with 200", "nested content"])
def test_a_failing_endpoint_is_a_502(api, chat, fault):
    """`optimize` says so, and tells neither the key nor what the endpoint said."""
    chat.will(always=FAULTS[fault])
    response = api.post({"action": "optimize", "prompt": "red coat"})
    assert told(response) == (502, {"error": "Enhancement failed"})


def test_generate_uses_the_better_prompt(api, chat):
    """`optimize: true` answers with the prompt that the picture is made from; without it nobody is asked."""
    job = api.post({"action": "generate", "prompt": "@aya red coat, -hat", "optimize": True})
    assert (job.status_code, job.json()["prompt"]) == (200, f"@aya red coat, {ADDED}, -hat")
    assert len(chat.asked) == 1
    plain = api.post({"action": "generate", "prompt": "@aya red coat, -hat"})
    assert plain.json()["prompt"] == "@aya red coat, -hat"
    assert len(chat.asked) == 1
    listed = {one["id"]: one["prompt"] for one in api.post({"action": "jobs"}).json()["jobs"]}
    assert listed[job.json()["id"]] == f"@aya red coat, {ADDED}, -hat"


@pytest.mark.parametrize("fault", ["401", "reset", "prose"])
def test_no_job_is_made_without_the_better_prompt(api, chat, fault):
    """`generate` with `optimize` is a 502 when the endpoint fails: no row, no hold, and the next one works."""
    before = books(api)
    chat.will(always=FAULTS[fault])
    refused = api.post({"action": "generate", "prompt": "red coat", "optimize": True})
    assert told(refused) == (502, {"error": "Enhancement failed"})
    assert books(api) == before
    chat.will()
    assert api.post({"action": "generate", "prompt": "red coat", "optimize": True}).status_code == 200
    assert len(books(api)[0]) == len(before[0]) + 1


@pytest.mark.parametrize("how", HANGS)
def test_others_are_served_while_an_endpoint_hangs(api, chat, how):
    """Twenty calls hang and end as 502 in time; who asks for something else meanwhile does not notice."""
    chat.will(always=HANGS[how])
    before, ended = books(api), []

    def ask(client):
        started = time.monotonic()
        body = {"action": "generate", "prompt": "red coat", "optimize": True}
        ended.append((told(client.post(f"{api.url}/api/v2", json=body)), time.monotonic() - started))

    slowest, served = 0.0, 0
    with httpx2.Client(headers={"Authorization": f"Bearer {api.key}"}, timeout=30) as client:
        hanging = [threading.Thread(target=ask, args=(client,)) for _ in range(20)]
        for thread in hanging:
            thread.start()
        while not ended:
            started = time.monotonic()
            assert client.post(f"{api.url}/api/v2", json={"action": "random"}).status_code == 200
            slowest, served = max(slowest, time.monotonic() - started), served + 1
        for thread in hanging:
            thread.join()
    print(f"{served} others served, the slowest in {slowest * 1000:.0f} ms; hung for {max(s for _, s in ended):.2f} s")
    assert {json.dumps(answer) for answer, _ in ended} == {json.dumps((502, {"error": "Enhancement failed"}))}
    assert max(seconds for _, seconds in ended) < HTTP_TIMEOUT_S * 1.5 + 4
    assert served > 20
    assert slowest < 0.5
    assert books(api) == before


def test_the_log_tells_of_failures_but_no_secret(api, chat, caplog):
    """A 502 leaves a line for the operator; the endpoint's key and the caller's words are not in it, nor a traceback."""
    with capture_logs() as events:
        for fault in ("401", "prose", "far too long", "null choices"):
            chat.will(always=FAULTS[fault])
            api.post({"action": "optimize", "prompt": "red coat, CANARYWORD"})
    assert not any(event.get("exc_info") for event in events)
    log = f"{events} {caplog.text}"
    assert "enhancement_failed" in log
    for hidden in (KEY, api.key, "CANARYWORD", ADDED, "Traceback"):
        assert hidden not in log
