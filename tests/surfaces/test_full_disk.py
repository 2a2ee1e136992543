"""A disk or a Redis that is full: `/readyz` and the log name it, `generate` answers 503, and all works again once there is room.

The disk is made full for the API alone, by a limit of its files' sizes.
"""

import base64
import contextlib
import io
import resource
import time

import httpx2
import pytest
from PIL import Image
from servers.api import start_api
from servers.redis_server import start_redis

REFUSED = (503, {"error": "Service unavailable"})


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """A Redis whose memory a test limits."""
    with start_redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="module")
def api(tmp_path_factory, redis):
    """One API process."""
    data = tmp_path_factory.mktemp("full") / "var"
    environ = {"IMGEN_REDIS__URL": redis.url}
    with start_api(data, settings="[jobs]\nreconcile_s = 0.2\n", environ=environ) as started:
        yield started


@contextlib.contextmanager
def largest_file(api, size_bytes):
    """Limits the size of files that the API writes, for the length of the block."""
    before = resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE, before)


def generate(api, **fields):
    return api.post({"action": "generate", "prompt": "red coat", **fields})


def logo() -> str:
    """A logo of more than 100 KB."""
    file = io.BytesIO()
    Image.effect_noise((400, 400), 90).convert("RGB").save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def readiness(api):
    """Status of `/readyz` and its parts, asked anew."""
    time.sleep(0.3)
    answer = httpx2.get(f"{api.url}/readyz")
    return answer.status_code, answer.json()["parts"]


def await_ready(api):
    deadline = time.monotonic() + 60
    while (found := readiness(api)) != (200, {"database": "ok", "redis": "ok", "objects": "ok"}):
        assert time.monotonic() < deadline, found


def answered(response):
    if response.status_code == 503:
        assert int(response.headers["Retry-After"]) >= 1
    return response.status_code, response.json()


def test_a_full_disk_of_the_database_is_told(api):
    """Jobs are taken as long as there is room, then refused; polls go on. Nothing is left behind of what was refused."""
    taken = [generate(api).json()["id"]]
    with largest_file(api, 300_000):
        deadline = time.monotonic() + 20
        while (answer := generate(api)).status_code == 200:
            taken.append(answer.json()["id"])
            assert time.monotonic() < deadline
        assert answered(answer) == REFUSED
        assert answered(generate(api)) == REFUSED
        status, parts = readiness(api)
        assert (status, parts["database"], parts["redis"]) == (503, "full", "ok")
        assert api.post({"action": "status", "id": taken[0]}).json()["status"] == "IN_QUEUE"
        assert api.post({"action": "usage"}).status_code == 200
    await_ready(api)
    assert generate(api).status_code == 200
    listed = api.post({"action": "jobs", "limit": 100}).json()["jobs"]
    assert set(taken) <= {job["id"] for job in listed}
    assert "The disk of the database is full" in api.log.read_text()


def test_a_full_disk_of_the_objects_is_told(api):
    """A logo that cannot be stored refuses its request, which makes no job; the next one is taken."""
    before = len(api.post({"action": "jobs", "limit": 100}).json()["jobs"])
    with largest_file(api, 90_000):
        assert answered(generate(api, wm_image=logo())) == REFUSED
    await_ready(api)
    assert len(api.post({"action": "jobs", "limit": 100}).json()["jobs"]) == before
    assert generate(api, wm_image=logo()).status_code == 200
    assert "The object folder failed" in api.log.read_text()


def test_a_full_redis_is_told(api, redis):
    """Redis over its `maxmemory` refuses messages, so jobs are refused before they are made; polls go on."""
    job_id = generate(api).json()["id"]
    with redis.client() as client:
        before = len(api.post({"action": "jobs", "limit": 100}).json()["jobs"])
        client.config_set("maxmemory", 1)
        for _ in range(3):
            assert answered(generate(api)) == REFUSED
        assert readiness(api) == (503, {"database": "ok", "redis": "full", "objects": "ok"})
        assert api.post({"action": "status", "id": job_id}).json()["status"] == "IN_QUEUE"
        client.config_set("maxmemory", 0)
        await_ready(api)
        assert generate(api).status_code == 200
        assert len(api.post({"action": "jobs", "limit": 100}).json()["jobs"]) in (before + 1, 100)
    assert "OOM" in api.log.read_text()


def test_a_redis_that_cannot_write_its_files_is_told(api, redis):
    """A snapshot that fails stops writes, as a full disk does: jobs are refused until one succeeds."""
    with redis.client() as client:
        folder = client.config_get("dir")["dir"]
        client.config_set("save", "3600 1")
        client.config_set("dir", "/proc")  # nothing can be written there
        client.set("change", 1)
        with contextlib.suppress(Exception):
            client.bgsave()
        deadline = time.monotonic() + 60
        while client.info("persistence")["rdb_last_bgsave_status"] != "err":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert answered(generate(api)) == REFUSED
        assert readiness(api)[1]["redis"] == "full"
        client.config_set("dir", folder)
        client.config_set("save", "")
        client.config_set("stop-writes-on-bgsave-error", "no")
        await_ready(api)
        assert generate(api).status_code == 200
    assert "MISCONF" in api.log.read_text()
