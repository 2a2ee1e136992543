"""The clients of Studio, run as users run them against a stub: what they send, save and tell, on good days and bad ones."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from clients.scripts import Client, files_in, installed
from clients.studio.conftest import (
    FOLDER,
    GENERATE,
    IMAGES,
    JOB_IDS,
    JOBS,
    KEPT,
    KINDS,
    PICTURE,
    SOURCE,
    accepted,
    plan,
    refusal,
    succeeded,
    told,
)
from servers.action_stub import Reply, Stub, start_stub
from servers.node import node_program

FIRST, SECOND = JOB_IDS


def keys_of(stub: Stub, path: str) -> set[str | None]:
    """The credentials of the requests for a path; None: one had none."""
    return {seen.headers.get("Authorization", seen.headers.get("authorization")) for seen in stub.asked(path)}


def once_of(stub: Stub, path: str) -> set[str | None]:
    """The idempotency keys of the requests for a path."""
    return {{name.lower(): text for name, text in seen.headers.items()}["idempotency-key"] for seen in stub.asked(path)}


def test_every_option_is_sent_and_the_picture_is_saved(client: Client, stub: Stub, source: str, tmp_path: Path) -> None:
    """The source byte by byte, text as typed, numbers as such, the key to the server alone, and a file under the job's id."""
    options = {
        "mode": "avatar",
        "preset": "soft-3d",
        "size": "4k",
        "aspect": "1:1",
        "strength": "0.25",
        "count": "1",
        "seed": "7",
        "out": f"{tmp_path}/x/y",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    stub.plan[GENERATE] = [accepted(warnings=["strength"])]
    done = client.run(f"{stub.url}/", stub.key, "--image", source, "@aya red coat,", *given, "-hat", 'a "b" é\\')

    assert done.returncode == 0, done.stderr
    [kept] = stub.asked(IMAGES)
    assert kept.data == SOURCE
    [asked] = stub.asked(GENERATE)
    assert asked.body == {
        "mode": "avatar",
        "preset": "soft-3d",
        "exportSize": "4k",
        "outputAspect": "1:1",
        "strength": 0.25,
        "count": 1,
        "seed": 7,
        "imageKey": KEPT,
        "prompt": '@aya red coat, -hat a "b" é\\',
    }
    assert len(stub.asked(JOBS[0])) == 3
    assert [keys_of(stub, path) for path in (IMAGES, GENERATE, JOBS[0])] == [{f"Bearer {stub.key}"}] * 3
    assert keys_of(stub, "/files/0") == {None}
    assert once_of(stub, IMAGES) != once_of(stub, GENERATE)
    file = tmp_path / "x" / "y" / f"{FIRST}.jpg"
    assert file.read_bytes() == PICTURE
    assert json.loads(done.stdout) == {
        "jobId": FIRST,
        "width": 1024,
        "height": 768,
        "contentType": "image/jpeg",
        "file": str(file),
    }
    assert done.stderr.splitlines() == [
        "imgen: warning: strength",
        f"imgen: {FIRST} queued",
        f"imgen: {FIRST} processing",
    ]


def test_several_jobs_are_waited_for_one_after_another(client: Client, stub: Stub, tmp_path: Path) -> None:
    """From an earlier job: the first is blocked, which decides the exit code, and the second is saved all the same."""
    stub.plan[GENERATE] = [accepted(count=2)]
    error = {"code": "moderation_blocked", "message": "Content blocked — flagged for: Real people"}
    stub.plan[JOBS[0]] = [told("failed", error=error)]
    done = client.run(stub.url, stub.key, "--from-job", FIRST, "--count", "2", "--out", str(tmp_path / "out"))

    assert done.returncode == 3
    assert stub.asked(GENERATE)[0].body == {"mode": "style", "sourceGenerationId": FIRST, "count": 2}
    assert stub.asked(IMAGES) == []
    assert files_in(tmp_path / "out") == [f"{SECOND}.png"]
    assert [json.loads(line)["jobId"] for line in done.stdout.splitlines()] == [SECOND]
    assert done.stderr.splitlines() == [f"imgen: {FIRST} {error['message']}"]


def test_polls_come_one_at_a_time_with_pauses(client: Client, stub: Stub, tmp_path: Path) -> None:
    """However slow the server is, one poll is answered before the next is sent, and a pause lies between."""
    delay_s, poll_s = 0.1, 0.05
    slow = Reply(body={"jobId": FIRST, "status": "queued"}, delay_s=delay_s)
    stub.plan[JOBS[0]] = [slow, slow, slow, succeeded(stub.url)]
    done = client.run(stub.url, stub.key, "--from-job", FIRST, "--out", str(tmp_path), poll_s=poll_s)

    assert done.returncode == 0, done.stderr
    assert stub.most_polls_at_once == 1
    times = [seen.at_s for seen in stub.asked(JOBS[0])]
    assert all(later - earlier >= delay_s + poll_s for earlier, later in pairwise(times))


def test_bad_days_cost_time_alone(client: Client, stub: Stub, source: str, tmp_path: Path) -> None:
    """Lost and busy answers are asked for again under one key, hiccups of polls and of the download are survived."""
    good = plan(stub.url)
    for path in (IMAGES, GENERATE):
        stub.plan[path] = [
            Reply(silent=True),
            Reply(status=200, body=good[path][0].body, breaks_off=True),
            refusal(409, "request_in_progress"),
            refusal(429, "rate_limited", Retry_After="1"),
            Reply(status=503, body=b"<html>maintenance</html>"),
            *good[path],
        ]
    hiccups = [
        Reply(status=500, body=b"Internal Server Error"),
        Reply(silent=True),
        Reply(body=b"<html>a proxy's page</html>"),
        Reply(body={"jobId": FIRST, "status": "queued"}, breaks_off=True),
        told("something new"),
        refusal(429, "rate_limited"),
        refusal(503, "unavailable", Retry_After="1"),
    ]
    stub.plan[JOBS[0]] = [*hiccups, succeeded(stub.url)]
    stub.plan["/files/0"] = [refusal(503, "unavailable"), Reply(body=PICTURE, breaks_off=True), Reply(body=PICTURE)]
    done = client.run(stub.url, stub.key, "--image", source, "a vase", "--out", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / f"{FIRST}.jpg").read_bytes() == PICTURE
    for path in (IMAGES, GENERATE):
        requests = stub.asked(path)
        assert [seen.data for seen in requests] == [requests[0].data] * 6
        assert len(once_of(stub, path)) == 1
        assert requests[4].at_s - requests[3].at_s >= 1
    polls = stub.asked(JOBS[0])
    assert len(polls) == len(hiccups) + 1
    assert polls[-1].at_s - polls[-2].at_s >= 1


@pytest.mark.parametrize(
    ("status", "more", "code"),
    [
        ("failed", {"error": {"code": "timed_out", "message": "Timed out"}}, 2),
        ("canceled", {}, 2),
        ("succeeded", {}, 1),
        ("succeeded", {"downloadUrl": "file:///etc/passwd", "contentType": "image/png"}, 1),
        ("succeeded", {"downloadUrl": "http://127.0.0.1:9/x", "contentType": "text/html"}, 1),
    ],
    ids=["failed", "canceled", "nothing", "file", "no-picture"],
)
def test_other_ends_save_nothing(
    client: Client, stub: Stub, tmp_path: Path, status: str, more: dict[str, object], code: int
) -> None:
    """Each has its exit code and its reason."""
    stub.plan[JOBS[0]] = [told(status, **more)]
    done = client.run(stub.url, stub.key, "--from-job", FIRST, "--out", str(tmp_path / "out"))

    assert (done.returncode, done.stdout, files_in(tmp_path / "out")) == (code, "", [])
    reason = {"failed": "Timed out", "canceled": "canceled", "succeeded": "refused to save"}[status]
    assert reason in done.stderr
    assert [seen.what for seen in stub.seen] == [GENERATE, JOBS[0]]


@pytest.mark.parametrize(
    ("path", "reply", "text"),
    [
        (IMAGES, refusal(400, "invalid_request"), "invalid_request: not now"),
        (GENERATE, refusal(403, "plan_required"), "plan_required: not now"),
        (GENERATE, refusal(429, "quota_exceeded", Retry_After="301"), "quota_exceeded: not now, try again in 301 s"),
        (GENERATE, Reply(status=302, headers={"Location": "/elsewhere"}), "HTTP 302"),
        (JOBS[0], refusal(404, "not_found"), "not_found: not now"),
    ],
    ids=["400", "403", "429-for-long", "redirect", "404-poll"],
)
def test_a_refusal_ends_the_script(
    client: Client, stub: Stub, source: str, tmp_path: Path, path: str, reply: Reply, text: str
) -> None:
    """An answer that the same request would get again is told and not asked for twice."""
    stub.plan[path] = [reply]
    done = client.run(stub.url, stub.key, "--image", source, "a vase", "--out", str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr
    assert len(stub.asked(path)) == 1
    assert stub.asked("/elsewhere") == []


def test_limits_end_the_script(tmp_path: Path) -> None:
    """120 polls, 25 tries of a busy server, 3 lost answers: each client side by side with the others."""

    def ends(client: Client) -> list[tuple[int, int]]:
        with start_stub() as stub:
            stub.plan = plan(stub.url) | {JOBS[0]: [told("queued")]}
            given = ("--from-job", FIRST, "--out", str(tmp_path))
            done = [client.run(stub.url, stub.key, *given, poll_s=0.001)]
            counts = [len(stub.asked(JOBS[0]))]
            for reply in (refusal(429, "rate_limited"), Reply(silent=True)):
                stub.seen.clear()
                stub.plan[GENERATE] = [reply]
                done.append(client.run(stub.url, stub.key, *given, poll_s=0.001))
                counts.append(len(stub.seen))
        last = [one.stderr.splitlines()[-1] for one in done]
        words = (FIRST, "rate_limited", "cannot reach")
        assert [text in line for text, line in zip(words, last, strict=True)] == [True] * 3
        return [(one.returncode, count) for one, count in zip(done, counts, strict=True)]

    clients = installed(("node", "python", "php-curl", "sh"), tmp_path, KINDS)
    with ThreadPoolExecutor() as pool:
        ended = dict(zip(clients, pool.map(ends, clients.values()), strict=True))
    assert list(ended.values()) == [[(4, 120), (1, 25), (1, 3)]] * len(clients)


def test_wrong_arguments_start_no_job(client: Client, stub: Stub, source: str, tmp_path: Path) -> None:
    """Unknown or broken arguments, no source or two, and what cannot be read or made, are told before anything is sent."""
    for given, text in (
        (["--out"], "--out"),
        (["--from-job", "x", "--seed", "x"], "--seed"),
        (["--from-job", "x", "--strength", "high"], "--strength"),
        (["--from-job", "x", "--option", "n=1"], "--option"),
        (["--mode", ""], "--mode"),
        (["a vase"], "one of --image and --from-job"),
        (["--image", source, "--from-job", "x"], "one of --image and --from-job"),
        (["--image", str(tmp_path / "none")], "cannot use"),
        (["--from-job", "x", "--out", f"{source}/out"], "cannot use"),
    ):
        done = client.run(stub.url, stub.key, *given)
        assert (done.returncode, done.stdout) == (1, ""), given
        assert text in done.stderr
    for url, key in (("", stub.key), (stub.url, "")):
        assert "IMGEN_URL and IMGEN_KEY" in client.run(url, key, "--from-job", "x").stderr
    assert stub.seen == []


def test_the_module_runs_in_a_page(stub: Stub, tmp_path: Path) -> None:
    """Without its types and without `process`, as in a browser, it keeps a source, hands over the jobs and its errors."""
    stub.plan[GENERATE] = [accepted(count=2)]
    page = tmp_path / "page.mjs"
    page.write_text(
        f"""
        import {{ readFileSync, writeFileSync }} from "node:fs";
        import {{ stripTypeScriptTypes }} from "node:module";
        const print = console.log;
        process.removeAllListeners("warning");
        writeFileSync("generate.mjs", stripTypeScriptTypes(readFileSync({json.dumps(str(FOLDER / "generate.ts"))}, "utf8")));
        delete globalThis.process;
        const {{ keep, makePictures, Stop }} = await import("./generate.mjs");
        const server = {{ url: "{stub.url}/", key: "{stub.key}", pollS: 0.01 }};
        const imageKey = await keep(server, new Blob(["a source"]));
        const jobs = await makePictures({{ ...server, body: {{ mode: "style", prompt: "a vase", imageKey, count: 2 }} }});
        const lost = await keep({{ ...server, url: "{stub.url}/x" }}, new Blob(["a"])).catch((error) => error);
        print(JSON.stringify([imageKey, jobs.map((job) => job.jobId), lost instanceof Stop, lost.code, lost.message]));
        """
    )
    done = subprocess.run(
        [str(node_program()), str(page)], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [KEPT, [FIRST, SECOND], True, 1, "HTTP 404"]
    assert stub.asked(IMAGES)[0].data == b"a source"
