"""The scripts of docs/clients wait by events where a server has them, and poll where it has none or they break."""

import json
from pathlib import Path

import pytest
from clients.scripts import WORDS, Client, files_in, one_of_each
from servers.action_stub import JOB_ID, PICTURES, Reply, Stub, error, stream

EVENTS = "/api/v2/events"
OPEN = ({"status": "IN_QUEUE", "position": 2}, {"status": "IN_PROGRESS", "progress": 0.5, "eta": 4})


def test_events_take_the_place_of_polls(client: Client, stub: Stub, out: Path) -> None:
    """One request waits for the end, with the key and without a single poll; progress is told as polls would."""
    stub.plan[EVENTS] = [stream(*OPEN, stub.completed().body)]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert files_in(out) == sorted(PICTURES)
    (asked,) = stub.asked(EVENTS)
    assert asked.headers["Authorization"] == f"Bearer {stub.key}"
    assert stub.asked("status") == []
    for line in ("IN_QUEUE position 2", "IN_PROGRESS progress 0.5 eta 4"):
        assert done.stderr.count(f"imgen: {JOB_ID} {line}\n") == 1


@one_of_each
@pytest.mark.parametrize(
    ("end", "code", "text"),
    [
        ({"status": "FAILED", "error": "Generation failed"}, 2, "Generation failed"),
        ({"status": "COMPLETED", "compliance": "unsafe", "error": "Content blocked"}, 3, "Content blocked"),
    ],
    ids=["failed", "blocked"],
)
def test_other_ends_are_told_as_after_a_poll(
    client: Client, stub: Stub, out: Path, end: dict, code: int, text: str
) -> None:
    """The exit code and the reason are those of the answer, however it came."""
    stub.plan[EVENTS] = [stream(end)]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert stub.asked("status") == []


@pytest.mark.parametrize(
    "reply",
    [
        error(404, "Not Found"),
        error(405, "Method not allowed"),
        error(429, "Rate limit exceeded"),
        Reply(status=503, body=b"<html>maintenance</html>"),
        Reply(status=302, headers={"Location": "/elsewhere"}),
        Reply(body=b"<html>a proxy's page</html>"),
        Reply(status=204, body=b""),
        Reply(silent=True),
        stream(*OPEN),
        stream(*OPEN, ends=False),
        Reply(body=b"data: {broken\n\ndata: [1]\n\ndata: {}\n\n", headers={"Content-Type": "text/event-stream"}),
    ],
    ids=["404", "405", "429", "503", "302", "html", "204", "silent", "ends early", "breaks off", "nonsense"],
)
@one_of_each
def test_without_events_the_script_polls(client: Client, stub: Stub, out: Path, reply: Reply) -> None:
    """An old server, a proxy or a broken stream: polls find the end, as ever."""
    stub.plan[EVENTS] = [reply]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert files_in(out) == sorted(PICTURES)
    assert len(stub.asked(EVENTS)) == 1
    assert len(stub.asked("status")) == 3
    assert stub.asked("/elsewhere") == []
    assert all(line.startswith("imgen: ") for line in done.stderr.splitlines())
    assert json.loads(done.stdout)["id"] == JOB_ID
