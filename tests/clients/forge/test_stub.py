"""The clients of Forge, run as users run them against a stub: what they send, save and tell, on good days and bad ones."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from clients.forge.conftest import (
    ASSET,
    COMPLETED,
    DIGEST,
    FOLDER,
    JOB,
    JOB_ID,
    KINDS,
    PICTURE,
    refusal,
    told,
)
from clients.scripts import Client, files_in, installed
from servers.action_stub import Reply, Stub, start_stub
from servers.node import node_program

WORDS = ["@aya red coat,", "-hat", 'a "b" é\\']
REQUEST = "/v2/generate"


def keys_of(stub: Stub) -> set[str | None]:
    """The keys of all requests; None: one had none."""
    return {{name.lower(): text for name, text in seen.headers.items()}.get("x-api-key") for seen in stub.seen}


def test_every_option_is_sent_and_the_picture_is_saved(client: Client, stub: Stub, tmp_path: Path) -> None:
    """Text as typed, the seed as a number, one Idempotency-Key, the key in every request, and a file under its digest."""
    options = {
        "tier": "draft",
        "ratio": "3:2",
        "model": "a/b",
        "seed": "7",
        "from-job": JOB_ID,
        "out": f"{tmp_path}/x/y",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    done = client.run(f"{stub.url}/", stub.key, WORDS[0], *given, *WORDS[1:], "--sync")

    assert done.returncode == 0, done.stderr
    [asked] = stub.asked(REQUEST)
    assert asked.body == {
        "prompt": '@aya red coat, -hat a "b" é\\',
        "quality_tier": "draft",
        "aspect_ratio": "3:2",
        "model": "a/b",
        "seed": 7,
        "input_job_id": JOB_ID,
        "sync": True,
    }
    assert len(asked.headers["Idempotency-Key"]) == 32
    assert len(stub.asked(JOB)) == 3
    assert keys_of(stub) == {stub.key}
    file = tmp_path / "x" / "y" / f"{DIGEST}.png"
    assert file.read_bytes() == PICTURE
    assert json.loads(done.stdout) == {
        "job_id": JOB_ID,
        "file": str(file),
        "asset_url": ASSET,
        "seed": 4294967295,
        "model": "eros",
        "quality_tier": "draft",
    }
    assert done.stderr.splitlines() == [f"imgen: {JOB_ID} queued", f"imgen: {JOB_ID} processing"]


def test_polls_come_one_at_a_time_with_pauses(client: Client, stub: Stub, tmp_path: Path) -> None:
    """However slow the server is, one poll is answered before the next is sent, and a pause lies between."""
    delay_s, poll_s = 0.1, 0.05
    stub.plan[JOB] = [Reply(body=told("queued"), delay_s=delay_s)] * 3 + [COMPLETED]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(tmp_path), poll_s=poll_s)

    assert done.returncode == 0, done.stderr
    assert stub.most_polls_at_once == 1
    times = [seen.at_s for seen in stub.asked(JOB)]
    assert all(later - earlier >= delay_s + poll_s for earlier, later in pairwise(times))


def test_bad_days_cost_time_alone(client: Client, stub: Stub, tmp_path: Path) -> None:
    """Lost and busy answers are asked for again under one key, hiccups of polls and of the download are survived."""
    stub.plan[REQUEST] = [
        Reply(silent=True),
        Reply(status=202, body=told("queued"), breaks_off=True),
        refusal(409, "CONFLICT"),
        refusal(429, "RATE_LIMITED", Retry_After="1"),
        Reply(status=503, body=b"<html>maintenance</html>"),
        Reply(status=202, body=told("queued")),
    ]
    hiccups = [
        Reply(status=500, body=b"Internal Server Error"),
        Reply(silent=True),
        Reply(body=b"<html>a proxy's page</html>"),
        Reply(body=told("queued"), breaks_off=True),
        Reply(body=told("something new")),
        refusal(429, "RATE_LIMITED"),
        refusal(503, "UNAVAILABLE", Retry_After="1"),
    ]
    stub.plan[JOB] = [*hiccups, COMPLETED]
    stub.plan[ASSET] = [
        refusal(503, "UNAVAILABLE"),
        Reply(body=b"other bytes"),
        Reply(body=PICTURE),
    ]
    done = client.run(stub.url, "", *WORDS, "--out", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "out") == [f"{DIGEST}.png"]
    requests = stub.asked(REQUEST)
    assert [seen.body for seen in requests] == [requests[0].body] * 6
    assert len({seen.headers["Idempotency-Key"] for seen in requests}) == 1
    assert requests[4].at_s - requests[3].at_s >= 1
    polls = stub.asked(JOB)
    assert len(polls) == len(hiccups) + 1
    assert polls[-1].at_s - polls[-2].at_s >= 1
    assert keys_of(stub) == {None}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (told("failed", error="Timed out after 60 s"), 2),
        (told("failed", error="Content blocked — flagged for: Real people"), 3),
        (told("completed", asset_url=f"https://elsewhere{ASSET}"), 1),
        (told("completed", asset_url="/v2/assets/../../etc"), 1),
    ],
    ids=["failed", "blocked", "elsewhere", "climbing"],
)
def test_other_ends_save_nothing(
    client: Client, stub: Stub, tmp_path: Path, state: dict[str, object], code: int
) -> None:
    """Each has its exit code and its reason; a `sync` answer ends as a poll does."""
    stub.plan[REQUEST] = [Reply(status=201, body=state)]
    done = client.run(stub.url, stub.key, *WORDS, "--sync", "--out", str(tmp_path / "out"))

    assert (done.returncode, done.stdout, files_in(tmp_path / "out")) == (code, "", [])
    assert str(state["error"] or "refused to save") in done.stderr
    assert [seen.what for seen in stub.seen] == [REQUEST]


@pytest.mark.parametrize(
    ("path", "reply", "text"),
    [
        (REQUEST, refusal(400, "VALIDATION_ERROR"), "VALIDATION_ERROR: not now"),
        (REQUEST, refusal(429, "QUOTA_EXCEEDED", Retry_After="301"), "QUOTA_EXCEEDED: not now, try again in 301 s"),
        (REQUEST, Reply(status=302, headers={"Location": "/elsewhere"}), "HTTP 302"),
        (JOB, refusal(404, "NOT_FOUND"), "NOT_FOUND: not now"),
    ],
    ids=["400", "429-for-long", "redirect", "404-poll"],
)
def test_a_refusal_ends_the_script(
    client: Client, stub: Stub, tmp_path: Path, path: str, reply: Reply, text: str
) -> None:
    """An answer that the same request would get again is told and not asked for twice."""
    stub.plan[path] = [reply]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr
    assert len(stub.asked(path)) == 1
    assert stub.asked("/elsewhere") == []


def test_limits_end_the_script(tmp_path: Path) -> None:
    """120 polls, 25 tries of a busy server, 3 lost answers: each client side by side with the others."""

    def ends(client: Client) -> list[tuple[int, int]]:
        with start_stub() as stub:
            stub.plan = {REQUEST: [Reply(status=202, body=told("queued"))], JOB: [Reply(body=told("queued"))]}
            done = [client.run(stub.url, stub.key, *WORDS, "--out", str(tmp_path), poll_s=0.001)]
            counts = [len(stub.asked(JOB))]
            for reply in (refusal(429, "RATE_LIMITED"), Reply(silent=True)):
                stub.seen.clear()
                stub.plan[REQUEST] = [reply]
                done.append(client.run(stub.url, stub.key, *WORDS, "--out", str(tmp_path), poll_s=0.001))
                counts.append(len(stub.seen))
        last = [one.stderr.splitlines()[-1] for one in done]
        assert [text in line for text, line in zip((JOB_ID, "RATE_LIMITED", "cannot reach"), last, strict=True)] == [
            True
        ] * 3
        return [(one.returncode, count) for one, count in zip(done, counts, strict=True)]

    clients = installed(("node", "python", "php-curl", "sh"), tmp_path, KINDS)
    with ThreadPoolExecutor() as pool:
        ended = dict(zip(clients, pool.map(ends, clients.values()), strict=True))
    assert list(ended.values()) == [[(4, 120), (1, 25), (1, 3)]] * len(clients)


def test_wrong_arguments_start_no_job(client: Client, stub: Stub, tmp_path: Path) -> None:
    """Unknown or broken arguments, and a folder that cannot be made, are told before anything is sent."""
    (tmp_path / "file").write_text("in the way")
    for given in (["--out"], ["--seed", "x"], ["--tier", ""], ["--option", "n=1"]):
        done = client.run(stub.url, stub.key, *WORDS, *given)
        assert (done.returncode, done.stdout) == (1, "")
        assert given[0] in done.stderr
    assert "cannot use" in client.run(stub.url, stub.key, *WORDS, "--out", str(tmp_path / "file" / "out")).stderr
    assert "IMGEN_URL" in client.run("", stub.key, *WORDS).stderr
    assert stub.seen == []


def test_the_module_runs_in_a_page(stub: Stub, tmp_path: Path) -> None:
    """Without its types and without `process`, as in a browser, it hands over the job and its errors."""
    page = tmp_path / "page.mjs"
    page.write_text(
        f"""
        import {{ readFileSync, writeFileSync }} from "node:fs";
        import {{ stripTypeScriptTypes }} from "node:module";
        const print = console.log;
        process.removeAllListeners("warning");
        writeFileSync("generate.mjs", stripTypeScriptTypes(readFileSync({json.dumps(str(FOLDER / "generate.ts"))}, "utf8")));
        delete globalThis.process;
        const {{ makePicture, Stop }} = await import("./generate.mjs");
        const server = {{ url: "{stub.url}/", key: "{stub.key}", pollS: 0.01 }};
        const job = await makePicture({{ ...server, body: {{ prompt: "a red coat" }} }});
        const lost = await makePicture({{ ...server, url: "{stub.url}/x", body: {{ prompt: "a" }} }}).catch((error) => error);
        print(JSON.stringify([job.asset_url, lost instanceof Stop, lost.code, lost.message]));
        """
    )
    done = subprocess.run(
        [str(node_program()), str(page)], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [ASSET, True, 1, "HTTP 404"]
