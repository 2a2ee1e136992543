"""The pollers in docs/clients against a stub on its bad days: refusals, a busy server, hiccups, redirects."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clients.scripts import KINDS, ONE_OF_EACH, WORDS, Client, files_in, installed, one_of_each
from servers.action_stub import JOB_ID, PICTURES, Reply, Stub, error, start_stub


@one_of_each
@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (error(400, "Invalid character"), "Invalid character"),
        (error(422, "Idempotency key reused"), "Idempotency key reused"),
        (Reply(status=500, body=b"Internal Server Error"), "HTTP 500"),
        (Reply(status=200, body={"unexpected": 1}), "HTTP 200"),
        (error(429, "Quota exceeded", Retry_After="86400"), "Quota exceeded"),
        (error(503, "Service unavailable", Retry_After="301"), "Service unavailable"),
    ],
    ids=["400", "422", "500-text", "200-odd", "429-for-a-day", "503-too-long"],
)
def test_refused_generate_is_told_and_not_repeated(
    client: Client, stub: Stub, out: Path, reply: Reply, text: str
) -> None:
    """An answer that the same request would get again ends the script."""
    stub.plan["generate"] = [reply]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr
    assert len(stub.asked("generate")) == 1


@one_of_each
def test_server_checks_reach_the_customer(client: Client, stub: Stub, out: Path) -> None:
    """A wrong key, an empty prompt and a server that is not there each say so."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
        absent = client.run(nowhere, stub.key, *WORDS, "--out", str(out))
    wrong_key = client.run(stub.url, "imgen_wrong", *WORDS, "--out", str(out))
    empty = client.run(stub.url, stub.key, "--out", str(out))

    assert [done.returncode for done in (absent, wrong_key, empty)] == [1, 1, 1]
    assert "cannot reach" in absent.stderr
    assert "Invalid API key" in wrong_key.stderr
    assert "Prompt is required" in empty.stderr


def test_busy_server_is_asked_again_after_retry_after(tmp_path: Path) -> None:
    """A 429 waits the seconds it asks for, at `generate` and at a poll, then the job goes its way."""
    busy = error(429, "Rate limit exceeded", Retry_After="1")
    clients = installed(KINDS, tmp_path)

    def waits_s(kind: str) -> list[float]:
        with start_stub() as stub:
            stub.plan |= {"generate": [busy, stub.accepted()], "status": [busy, stub.completed()]}
            done = clients[kind].run(stub.url, stub.key, *WORDS, "--out", str(tmp_path / kind))
            assert done.returncode == 0, done.stderr
            assert done.stderr.count("Rate limit exceeded, waiting 1 s") == 2
            return [second.at_s - first.at_s for first, second in (stub.asked("generate"), stub.asked("status"))]

    with ThreadPoolExecutor() as pool:
        waited = dict(zip(clients, pool.map(waits_s, clients), strict=True))
    assert {kind: min(waits) >= 1 for kind, waits in waited.items()} == dict.fromkeys(clients, True)


@one_of_each
def test_busy_server_is_asked_25_times_at_most(client: Client, stub: Stub, out: Path) -> None:
    """A queue that stays full ends the script."""
    stub.plan["generate"] = [error(429, "Queue is full")]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out), poll_s=0.001)

    assert (done.returncode, done.stdout) == (1, "")
    assert "Queue is full" in done.stderr
    assert len(stub.asked("generate")) == 25


def test_a_lost_answer_is_asked_for_under_the_same_key(client: Client, stub: Stub, out: Path) -> None:
    """Whatever is lost or refused for a while, it is one request to the server; a poll has no key."""
    stub.plan["generate"] = [
        Reply(silent=True),
        Reply(body=stub.accepted().body, breaks_off=True),
        error(409, "Request in progress"),
        Reply(status=503, body=b"<html>maintenance</html>"),
        stub.accepted(),
    ]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert files_in(out) == sorted(PICTURES)
    assert done.stderr.count("asking again") == 2
    requests = stub.asked("generate")
    assert [seen.body for seen in requests] == [requests[0].body] * 5
    keys = {seen.headers["Idempotency-Key"] for seen in requests}
    assert len(keys) == 1
    assert re.fullmatch("[0-9a-f]{32}", keys.pop())
    assert [seen.headers.get("Idempotency-Key") for seen in stub.asked("status")] == [None] * 3


def test_each_run_has_a_key_of_its_own(client: Client, stub: Stub, out: Path) -> None:
    """The same command, given twice, makes two pictures."""
    for _ in range(2):
        assert client.run(stub.url, stub.key, *WORDS, "--out", str(out)).returncode == 0
    assert len({seen.headers["Idempotency-Key"] for seen in stub.asked("generate")}) == 2


@one_of_each
def test_a_server_that_never_answers_is_asked_three_times(client: Client, stub: Stub, out: Path) -> None:
    """Then the script says so."""
    stub.plan["generate"] = [Reply(silent=True)]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot reach" in done.stderr
    assert len(stub.asked("generate")) == 3


def test_hiccups_while_polling_are_survived(client: Client, stub: Stub, out: Path) -> None:
    """Errors of the server or the way to it, a 429 and a state of a later version only cost time."""
    hiccups = [
        error(502, "Generation failed"),
        Reply(status=500, body=b"Internal Server Error"),
        Reply(silent=True),
        Reply(body=b"<html>a proxy's page</html>"),
        Reply(body=b"[1]"),
        Reply(body={"status": "IN_QUEUE"}, breaks_off=True),
        Reply(body={"status": "SOMETHING_NEW"}),
        error(429, "Rate limit exceeded"),
    ]
    stub.plan["status"] = [*hiccups, stub.completed()]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert files_in(out) == sorted(PICTURES)
    assert len(stub.asked("status")) == len(hiccups) + 1


@one_of_each
@pytest.mark.parametrize(
    "reply",
    [error(404, "Job not found"), error(401, "API key is disabled"), error(429, "Quota exceeded", Retry_After="301")],
    ids=["404", "401", "429-too-long"],
)
def test_refused_poll_ends_the_script(client: Client, stub: Stub, out: Path, reply: Reply) -> None:
    """A 4xx, or a wait of over five minutes, will not get better by asking again."""
    stub.plan["status"] = [reply]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout) == (1, "")
    assert str(reply.body["error"]) in done.stderr
    assert len(stub.asked("status")) == 1


def test_gives_up_after_120_polls(tmp_path: Path) -> None:
    """A job that never ends is asked for 120 times, whatever the answers are."""
    clients = installed(ONE_OF_EACH, tmp_path)

    def polls(kind: str) -> tuple[int, str, int]:
        with start_stub() as stub:
            stub.plan["status"] = [
                Reply(status=503),
                error(429, "Rate limit exceeded"),
                Reply(body={"status": "IN_QUEUE"}),
            ]
            done = clients[kind].run(stub.url, stub.key, *WORDS, "--out", str(tmp_path / kind), poll_s=0.001)
            assert JOB_ID in done.stderr.splitlines()[-1]
            return done.returncode, done.stdout, len(stub.asked("status"))

    with ThreadPoolExecutor() as pool:
        ended = dict(zip(clients, pool.map(polls, clients), strict=True))
    assert ended == dict.fromkeys(clients, (4, "", 120))


def test_redirects_do_not_get_the_key(client: Client, stub: Stub, out: Path) -> None:
    """An answer that points elsewhere is an error, not a way to carry the key there."""
    stub.plan["generate"] = [Reply(status=302, headers={"Location": f"{stub.url}/elsewhere"})]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 1
    assert "HTTP 302" in done.stderr
    assert stub.asked("/elsewhere") == []
