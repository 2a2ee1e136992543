"""Several pictures of one `generate` over HTTP, against a running stack."""

import httpx2
import pytest

from imgen.provenance.fingerprint import distance


@pytest.fixture
def key(server):
    """A key of a tenant without jobs."""
    name = f"several{len(server.imgen('keys', 'list').splitlines())}"
    return server.imgen("keys", "create", name, "--tenant", name, "--plan", "standard")


def test_four_pictures_are_four_jobs(server, key):
    """Each has a seed, an id, a file, a fingerprint and a charge of its own, and is the picture of its seed."""
    answer = server.post({"action": "generate", "prompt": "red coat", "n": 4, "seed": 9}, key).json()
    assert set(answer) == {"id", "prompt", "model", "format", "gen_id", "ids", "gen_ids"}
    assert (answer["ids"][0], answer["gen_ids"][0]) == (answer["id"], answer["gen_id"])
    metas = [server.wait({"id": job_id}, key=key)["meta"] for job_id in answer["ids"]]
    assert [(meta["id"], meta["gen_id"]) for meta in metas] == list(zip(answer["ids"], answer["gen_ids"], strict=True))
    assert [meta["seed"] for meta in metas] == [9, 10, 11, 12]
    for name in ("watermark_id", "sha256", "manifest_id", "fingerprint"):
        assert len({meta[name] for meta in metas}) == 4
    assert len({httpx2.get(meta["images"][0]["url"]).content for meta in metas}) == 4
    alone = server.wait(server.generate("red coat", seed=11))["meta"]
    assert [distance(alone["fingerprint"], meta["fingerprint"]) <= 10 for meta in metas] == [False, False, True, False]
    usage = server.post({"action": "usage"}, key).json()["tenant"]["today"]
    assert (usage["pictures"], usage["open"]) == (4, 0)


def test_the_list_names_the_batch(server, key):
    """The jobs of a batch have the first one's id in `batch`, newest first; a job alone has none."""
    several = server.post({"action": "generate", "prompt": "red coat", "n": 2}, key).json()
    server.post({"action": "generate", "prompt": "red coat"}, key)
    listed = server.post({"action": "jobs"}, key).json()["jobs"]
    assert [job["id"] for job in listed[1:]] == several["ids"][::-1]
    assert [job.get("batch") for job in listed] == [None, several["id"], several["id"]]


def test_a_number_is_repaired_and_told(server, key):
    """Text, fractions and numbers beyond the range, and more than the plan's open jobs."""
    for sent, made, warnings in (("2", 2, None), (0, 1, ["n"]), (1.2, 1, ["n"]), ("", 1, None)):
        answer = server.post({"action": "generate", "prompt": "red coat", "n": sent}, key).json()
        assert (len(answer.get("ids", [1])), answer.get("warnings")) == (made, warnings)
    assert server.post({"action": "generate", "prompt": "red coat", "n": "many"}, key).json() == {"error": "Invalid n"}


def test_what_does_not_fit_is_refused_as_a_whole(server):
    """A trial tenant's open jobs: the batch is clamped to them, and beside an open one there is no room for a second."""
    key = server.imgen("keys", "create", "several-trial", "--tenant", "several-trial", "--plan", "trial")
    limit = server.post({"action": "usage"}, key).json()["limits"]["open_jobs"]
    slow = {"action": "generate", "prompt": "red coat", "steps": 500}
    first = server.post(slow | {"n": 10}, key).json()
    assert (len(first["ids"]), first["warnings"]) == (limit, ["n"])
    refused = server.post(slow | {"n": limit}, key)
    assert (refused.status_code, refused.json()) == (429, {"error": "Queue is full"})
    assert int(refused.headers["retry-after"]) >= 1
    for job_id in first["ids"]:
        server.post({"action": "cancel", "id": job_id}, key)
    usage = server.post({"action": "usage"}, key).json()["tenant"]["today"]
    assert usage["open"] == 0
