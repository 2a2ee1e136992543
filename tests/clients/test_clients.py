"""The pollers in docs/clients, run as customers run them: against a stub on its bad days, and once against the real server."""

import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from clients.scripts import CLIENTS, KINDS, ONE_OF_EACH, WORDS, Client, files_in, installed, one_of_each, program
from PIL import Image
from servers.action_stub import FINGERPRINT, GEN_ID, JOB_ID, PICTURES, Reply, Stub, error, start_stub


def test_saves_both_pictures_and_reports_them(client: Client, stub: Stub, out: Path) -> None:
    """A safe job leaves two whole files and one line of JSON that names them."""
    done = client.run(stub.url + "/", stub.key, *WORDS, "--out", str(out / "new" / "er"))

    assert done.returncode == 0, done.stderr
    signed, thumbnail = (f"{out}/new/er/{name}" for name in PICTURES)
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout) == {
        "id": JOB_ID,
        "gen_id": GEN_ID,
        "files": [signed, thumbnail],
        "seed": 4294967295,
        "fingerprint": FINGERPRINT,
        "watermark_id": "1f2e3d4c5b6a",
    }
    assert [Path(signed).read_bytes(), Path(thumbnail).read_bytes()] == list(PICTURES.values())
    assert "IN_QUEUE position 2" in done.stderr
    assert "IN_PROGRESS progress 0.5 eta 4" in done.stderr


def test_sends_options_typed_and_polls_with_what_was_returned(client: Client, stub: Stub, out: Path) -> None:
    """Options keep their JSON type; polls carry the answer's prompt and model; the key stays away from signed addresses."""
    stub.plan["generate"] = [stub.accepted(warnings=["width", "steps"])]
    given = {
        "seed": "7",
        "guidance": "-7.5e0",
        "lossless": "true",
        "use_cache": "false",
        "style": "cinematic",
        "cs_title": '"2026"',
        "cs_author": 'a=b, "c" é\\',
        "negative": "",
        "cs_vendor": "007",
        "cs_description": '"half',
        "cs_organization": "null",
        "wm_image": "[1]",
        "prompt": "not this one",
    }
    options = [word for name, value in given.items() for word in ("--option", f"{name}={value}")]
    done = client.run(stub.url, stub.key, WORDS[0], *options, *WORDS[1:], "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert [seen.body for seen in stub.asked("generate")] == [
        {
            "action": "generate",
            "prompt": "@aya red coat, on a beach, -hat",
            "seed": 7,
            "guidance": -7.5,
            "lossless": True,
            "use_cache": False,
            "style": "cinematic",
            "cs_title": "2026",
            "cs_author": 'a=b, "c" é\\',
            "negative": "",
            "cs_vendor": "007",
            "cs_description": '"half',
            "cs_organization": "null",
            "wm_image": "[1]",
        }
    ]
    question = {"action": "status", "id": JOB_ID, "prompt": "as returned, -hat", "model": "eros"}
    assert [seen.body for seen in stub.asked("status")] == [question] * 3
    assert "width, steps" in done.stderr
    assert all(line.startswith("imgen: ") for line in done.stderr.splitlines())
    assert all("Authorization" not in seen.headers for seen in stub.seen if seen.what.startswith("/files/"))


@one_of_each
def test_polls_one_at_a_time_with_pauses(client: Client, stub: Stub, out: Path) -> None:
    """However slow the server is, one poll is answered before the next is sent, and a pause lies between."""
    delay_s, poll_s = 0.1, 0.05
    stub.plan["status"] = [Reply(body={"status": "IN_QUEUE"}, delay_s=delay_s)] * 3 + [stub.completed()]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out), poll_s=poll_s)

    assert done.returncode == 0, done.stderr
    assert stub.most_polls_at_once == 1
    times = [seen.at_s for seen in stub.asked("status")]
    assert all(later - earlier >= delay_s + poll_s for earlier, later in pairwise(times))


def test_blocked_is_told_even_beside_meta(client: Client, stub: Stub, out: Path) -> None:
    """`compliance` is looked at before `meta`: nothing of a blocked picture is fetched."""
    text = "Content blocked — flagged for: Real people"
    stub.plan["status"] = [stub.completed(compliance="unsafe", error=text, filter_categories=["people"])]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout, files_in(out)) == (3, "", [])
    assert text in done.stderr
    assert not [seen for seen in stub.seen if seen.what.startswith("/files/")]


@one_of_each
@pytest.mark.parametrize(
    ("state", "text"), [("FAILED", "Generation failed"), ("TIMED_OUT", "Timed out"), ("CANCELLED", "Cancelled")]
)
def test_other_ends_are_failures(client: Client, stub: Stub, out: Path, state: str, text: str) -> None:
    """A job that ended without a picture gives its error and exit code 2."""
    stub.plan["status"] = [Reply(body={"status": state, "error": text})]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert len(stub.asked("status")) == 1


@one_of_each
@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (error(400, "Invalid character"), "Invalid character"),
        (Reply(status=503, body=b"<html>maintenance</html>"), "HTTP 503"),
        (Reply(status=200, body={"unexpected": 1}), "HTTP 200"),
        (error(429, "Quota exceeded", Retry_After="86400"), "Quota exceeded"),
        (Reply(silent=True), "cannot reach"),
    ],
    ids=["400", "503-html", "200-odd", "429-for-a-day", "silent"],
)
def test_refused_generate_is_told_and_not_repeated(
    client: Client, stub: Stub, out: Path, reply: Reply, text: str
) -> None:
    """Whatever else than a short 429 answers `generate` ends the script: a second request could make a second job."""
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
def test_busy_server_is_asked_ten_times_at_most(client: Client, stub: Stub, out: Path) -> None:
    """A queue that stays full ends the script."""
    stub.plan["generate"] = [error(429, "Queue is full")]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out), poll_s=0.001)

    assert (done.returncode, done.stdout) == (1, "")
    assert "Queue is full" in done.stderr
    assert len(stub.asked("generate")) == 10


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


def test_javascript_module_runs_without_node_parts(stub: Stub, tmp_path: Path) -> None:
    """In a page there is no `process`: the module loads there and hands over the answer instead of writing files."""
    page = tmp_path / "page.mjs"
    page.write_text(
        f"""
        const print = console.log;
        delete globalThis.process;
        const {{ makePicture, Stop }} = await import({json.dumps((CLIENTS / "generate.mjs").as_uri())});
        const server = {{ url: "{stub.url}", key: "{stub.key}", pollS: 0.01 }};
        const {{ job, meta }} = await makePicture({{ ...server, body: {{ prompt: "a red coat", seed: 7 }} }});
        const refused = await makePicture({{ ...server, body: {{ prompt: " " }} }}).catch((error) => error);
        print(JSON.stringify([job.id, meta.images.length, refused instanceof Stop, refused.code, refused.message]));
        """
    )
    done = subprocess.run([program("node"), str(page)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [JOB_ID, 2, True, 1, "Prompt is required"]
    assert stub.asked("generate")[0].body == {"action": "generate", "prompt": "a red coat", "seed": 7}


def test_client_makes_a_picture_on_the_real_server(client: Client, server, tmp_path: Path) -> None:
    """Unchanged, each client gets a picture of the asked size, format and seed from the real stack."""
    options = {"seed": "7", "format": "webp", "width": "1024", "height": "1024", "style": "no such style"}
    words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    done = client.run(
        server.url, server.key, "red coat,", "on a beach,", "-hat", *words, "--out", str(tmp_path / "out")
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    signed, thumbnail = (Path(file) for file in report["files"])
    assert report["id"].startswith("run_")
    assert report["seed"] == 7
    assert signed.name == f"{report['gen_id']}_{report['fingerprint']}_00001.webp"
    assert thumbnail.name == f"{report['gen_id']}_{report['fingerprint']}_00001_thumb.webp"
    with Image.open(signed) as picture, Image.open(thumbnail) as small:
        assert (picture.format, picture.size) == ("WEBP", (1024, 1024))
        assert small.width < picture.width
    assert report["watermark_id"]
    assert "style" in done.stderr


def test_client_saves_several_pictures_of_the_real_server(client: Client, server, tmp_path: Path) -> None:
    """With `n` each picture is saved and reported on a line of its own, in the order of the seeds."""
    words = ["--option", "n=3", "--option", "seed=40", "--out", str(tmp_path / "out")]
    done = client.run(server.url, server.key, "red coat", *words)

    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["seed"] for report in reports] == [40, 41, 42]
    assert len({report["id"] for report in reports}) == 3
    files = [file for report in reports for file in report["files"]]
    assert sorted(files) == sorted(str(path) for path in (tmp_path / "out").iterdir())
    assert len(files) == 6
