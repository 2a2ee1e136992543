"""The pollers in docs/clients, run as customers run them against a stub: what they send, save and tell."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from clients.scripts import CLIENTS, WORDS, Client, files_in, one_of_each, program
from servers.action_stub import FINGERPRINT, GEN_ID, JOB_ID, PICTURES, Reply, Stub


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
