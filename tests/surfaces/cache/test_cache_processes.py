"""The semantic cache across processes: a second API, a restart, a shared cache, an embedder that is away or another one."""

import signal
import time

import httpx2
import psutil
from servers.embedder import embeddings
from servers.faulty_http import answer, start_faulty_http
from servers.redis_server import start_redis
from surfaces.cache.calls import MARK, MISS, ask, keep, start_beside


def test_two_api_processes_agree(stack):
    """A second process finds what is kept and what is purged by the command line as soon as the first does."""
    with start_beside(stack, "second") as second:
        assert ask(second, "a hot air balloon", key=stack.key) == MISS
        keep(stack, "a hot air balloon")
        deadline = time.monotonic() + 20
        while ask(second, "a hot air balloon", key=stack.key)[0] != 200:
            assert time.monotonic() < deadline
        assert stack.imgen("cache", "purge", "--tenant", "default").startswith("Purged ")
        assert [ask(one, "a hot air balloon", key=stack.key) for one in (stack, second)] == [MISS, MISS]


def test_without_its_embedder_every_look_is_a_miss(stack):
    """Killed, it is started again; meanwhile requests go on as misses, and no error reaches a caller."""
    keep(stack, "a snowy mountain")
    (embedder,) = [
        child for child in psutil.Process(stack.process.pid).children() if "embedder" in " ".join(child.cmdline())
    ]
    embedder.send_signal(signal.SIGKILL)
    made = stack.generate("a snowy mountain", use_cache=True)
    assert stack.wait(made)["status"] == "COMPLETED"
    deadline = time.monotonic() + 20
    while ask(stack, "a snowy mountain")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_restart_loses_no_entry(stack, tmp_path):
    """A process that starts beside an empty Redis knows none of the others' memory: the picture is there."""
    keep(stack, "a sleeping volcano")
    with start_redis(tmp_path) as empty, start_beside(stack, "restarted", REDIS__URL=empty.url) as restarted:
        status, body = ask(restarted, "a sleeping volcano", key=stack.key)
        assert (status, body["cache"], body["prompt"]) == (200, True, "a sleeping volcano")


def test_a_shared_cache_serves_other_tenants_without_their_names(stack):
    """If the operator allows it the pixels alone are shared; words, author and logo are the second caller's."""
    other = stack.imgen("keys", "create", "other", "--tenant", "other")
    with start_beside(stack, "sharing", CACHE__SHARED=True) as sharing:
        fields = {"cs_author": "Secret Studio", "wm_image": MARK, "wm_scale": 30}
        keep(stack, "a harbour in the morning mist", api=sharing, **fields)
        assert ask(stack, "in the morning mist, a harbour", key=other) == MISS
        status, body = ask(sharing, "in the morning mist, a harbour", key=other, format="png")
        assert status == 200
        ended = stack.wait(body, key=other)
    file = httpx2.get(ended["meta"]["images"][0]["url"]).content
    assert b"Secret Studio" not in file
    assert "Secret" not in str(ended)
    assert ended["meta"]["prompt"] == "in the morning mist, a harbour"


def test_any_endpoint_that_speaks_the_protocol_will_do(stack):
    """A configured endpoint is asked instead of the embedded model; while it fails, requests are misses."""
    with start_faulty_http(embeddings([0.6, 0.8])) as endpoint:
        settings = {"BASE_URL": f"{endpoint.url}/v1", "MODEL": "m", "PAUSE_S": 0.2, "TIMEOUT_S": 10}
        with start_beside(stack, "elsewhere", **{f"CACHE__{key}": value for key, value in settings.items()}) as api:
            keep(stack, "a red kite", api=api)
            assert ask(api, "a red kite", key=stack.key)[0] == 200
            endpoint.standing = answer(500)
            assert ask(api, "a red kite", key=stack.key) == MISS
            keep(stack, "a red kite", api=api)
            endpoint.standing = embeddings([0.6, 0.8])
            time.sleep(0.3)
            status, body = ask(api, "a red kite", key=stack.key)
            assert status == 200
            assert stack.wait(body)["cache"] is True
