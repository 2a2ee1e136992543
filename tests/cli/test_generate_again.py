"""`imgen generate` against a server whose answers are lost on the way: the same request again, under one idempotency key."""

import pytest
from servers.action_stub import Reply, error, start_stub
from servers.command import run_command

from imgen.cli import client


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(client, "PAUSES_S", (0.01, 0.01, 0.01, 0.01))
    with start_stub() as running:
        yield running


def generate(stub, out):
    return run_command("generate", "coat", "--out", str(out), environ={"IMGEN_URL": stub.url, "IMGEN_KEY": stub.key})


def test_lost_answers_make_no_second_picture(stub, tmp_path):
    """A broken connection, half an answer, an outage and a request that is still running: each is repeated; a new call is new."""
    half = Reply(body={"id": "x" * 500}, breaks_off=True)
    busy = [error(503, "Service unavailable", Retry_After="1"), error(409, "Request in progress", Retry_After="1")]
    stub.plan["generate"] = [Reply(silent=True), half, *busy, stub.accepted()]
    stub.plan["status"] = [Reply(silent=True), stub.completed()]
    done = generate(stub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2
    keys = [seen.headers["Idempotency-Key"] for seen in stub.asked("generate")]
    assert (len(keys), len(set(keys))) == (5, 1)
    generate(stub, tmp_path)
    assert len({seen.headers["Idempotency-Key"] for seen in stub.asked("generate")}) == 2


@pytest.mark.parametrize(
    ("reply", "text", "times"),
    [
        (Reply(silent=True), "disconnected", 5),
        (error(503, "Service unavailable"), "Service unavailable (HTTP 503)", 5),
        (error(429, "Quota exceeded", Retry_After="86400"), "Quota exceeded (HTTP 429)", 1),
        (error(400, "Invalid character"), "Invalid character (HTTP 400)", 1),
    ],
    ids=["silent", "503", "429", "400"],
)
def test_what_does_not_pass_is_told(stub, tmp_path, reply, text, times):
    """After some tries, and at once where the same request would get the same answer."""
    stub.plan["generate"] = [reply]
    done = generate(stub, tmp_path)
    assert (done.returncode, done.stdout, len(stub.asked("generate"))) == (1, "", times)
    assert text in done.stderr
