"""`POST /v2/generate`, line by line of the contract's section, on both databases."""

import base64
import re
import threading
import time

import pytest
from surfaces.action.calls import data_uri, png
from surfaces.forge.answered import FIELDS, failure, usage

from imgen.domain.ids import stored_id
from imgen.services.job_facts import JobFactsCache

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_a_job_from_request_to_picture(forge):
    """Every field of the body, queued and completed; the picture is a PNG at `asset_url`."""
    made = forge.generate(prompt="  a red coat, on the beach ", seed=7)
    assert list(made) == FIELDS
    assert re.fullmatch(UUID, made["job_id"])
    assert re.fullmatch(TIME, made["created_at"])
    assert made | {"job_id": "", "created_at": ""} == {
        "job_id": "",
        "state": "queued",
        "original_prompt": "a red coat, on the beach",
        "final_prompt": "a red coat, on the beach, clean lines",
        "enhancement_logic": None,
        "quality_tier": "standard",
        "model": "eros",
        "seed": 7,
        "asset_url": None,
        "error": None,
        "created_at": "",
        "completed_at": None,
    }
    assert forge.job(made["job_id"]) == made
    forge.work(stored_id(made["job_id"]))
    ended = forge.job(made["job_id"])
    assert re.fullmatch(r"/v2/assets/[0-9a-f]{64}", ended["asset_url"])
    assert re.fullmatch(TIME, ended["completed_at"])
    assert ended["completed_at"] > ended["created_at"]
    assert ended | dict.fromkeys(("state", "asset_url", "completed_at")) == made | {"state": None}
    picture = forge.call("GET", ended["asset_url"], key=None)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")


def test_a_process_that_knows_nothing_of_the_job_tells_the_same(forge, monkeypatch):
    """Facts that a process has forgotten come from the row."""
    made = forge.draw(seed=3, quality_tier="premium")
    monkeypatch.setattr(JobFactsCache, "get", lambda _self, _job_id: None)
    assert forge.job(made["job_id"]) == made


@pytest.mark.parametrize(
    ("tier", "size", "credits"),
    [
        ("draft", (1024, 1024), 1),
        ("standard", (1024, 768), 2),
        ("premium", (1024, 768), 4),
        ("ultra", (1024, 1024), 8),
        ("ultra_plus", (1024, 1024), 10),
    ],
)
def test_tiers_have_their_size_and_credits(forge, tier, size, credits):  # noqa: A002 - the contract's word
    """Each tier, whose picture is of its size and costs what it says."""
    before = usage(forge)["credits"]
    ended = forge.draw(quality_tier=tier)
    assert (ended["state"], ended["quality_tier"]) == ("completed", tier)
    body = forge.call("GET", ended["asset_url"]).content
    assert (int.from_bytes(body[16:20]), int.from_bytes(body[20:24])) == size
    assert usage(forge)["credits"] - before == credits


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("1:1", (1024, 1024)),
        ("16:9", (1344, 768)),
        ("9:16", (768, 1344)),
        ("4:3", (1024, 768)),
        ("3:4", (768, 1024)),
        ("3:2", (1216, 832)),
        ("2:3", (832, 1216)),
    ],
)
def test_a_ratio_takes_the_models_size(forge, ratio, size):
    """All seven."""
    body = forge.call("GET", forge.draw(aspect_ratio=ratio, quality_tier="draft")["asset_url"]).content
    assert (int.from_bytes(body[16:20]), int.from_bytes(body[20:24])) == size


@pytest.mark.parametrize("prompt", ["@aya red coat", "-hat", "a@b.c, -x, @nobody", "\\@aya", "x" * 2000, " x "])
def test_the_prompt_is_plain_text(forge, prompt):
    """`@` and a leading `-` mean nothing; nothing of it is lost."""
    made = forge.generate(prompt=prompt)
    assert made["original_prompt"] == prompt.strip()
    assert made["final_prompt"].startswith(prompt.strip())


WRONG = [
    ({"prompt": None}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": " \n "}, "prompt"),
    ({"prompt": ",,"}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": "x" * 2001}, "prompt"),
    ({"prompt": "x" * 100_000}, "prompt"),
    ({"negative_prompt": "x" * 2001}, "negative_prompt"),
    ({"negative_prompt": []}, "negative_prompt"),
    ({"quality_tier": "gold"}, "quality_tier"),
    ({"quality_tier": ""}, "quality_tier"),
    ({"quality_tier": 1}, "quality_tier"),
    ({"sync": "true"}, "sync"),
    ({"sync": 1}, "sync"),
    ({"aspect_ratio": "5:4"}, "aspect_ratio"),
    ({"aspect_ratio": ""}, "aspect_ratio"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**32}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"seed": "7"}, "seed"),
    ({"model": "nothing"}, "model"),
    ({"model": ""}, "model"),
    ({"cf_model": "@cf/black-forest-labs/flux-2-dev"}, "cf_model"),
    ({"model": "sdxl-lightning", "cf_model": "sd-1.5"}, "model"),
    ({"input_strength": 1.01}, "input_strength"),
    ({"input_strength": -0.01}, "input_strength"),
    ({"input_asset_url": "https://example.com/v2/assets/" + "0" * 64}, "input_asset_url"),
    ({"input_asset_url": "/etc/passwd"}, "input_asset_url"),
    ({"input_asset_url": ""}, "input_asset_url"),
    ({"mask_image": ""}, "mask_image"),
    ({"input_asset_url": "http://[::1/v2/assets/" + "0" * 64}, "input_asset_url"),
    ({"input_asset_url": "http://[x]/v2/assets/" + "0" * 64}, "input_asset_url"),
    ({"input_asset_url": "/v2/assets/" + "0" * 64, "input_job_id": "x"}, "input_job_id"),
    ({"mask_image": "iVBORw0KGgo="}, "mask_image"),
    ({"idempotency_key": ""}, "idempotency_key"),
    ({"idempotency_key": "k" * 256}, "idempotency_key"),
    ({"idempotency_key": 7}, "idempotency_key"),
]


@pytest.mark.parametrize(
    ("fields", "field"), WRONG, ids=[f"{field}-{number}" for number, (_, field) in enumerate(WRONG)]
)
def test_a_wrong_value_is_refused_and_makes_nothing(forge, fields, field):
    """Nothing is repaired: 400 with the field's name, and no job."""
    before = forge.call("GET", "/v2/jobs").json()["jobs"]
    answer = forge.call("POST", "/v2/generate", json={"prompt": "a red coat"} | fields)
    assert failure(answer) == (400, "VALIDATION_ERROR", field)
    assert forge.call("GET", "/v2/jobs").json()["jobs"] == before


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"prompt": "\\ud800"}'])
def test_a_body_that_is_no_object_is_refused(forge, body):
    """Without the name of a field."""
    assert failure(forge.call("POST", "/v2/generate", content=body)) == (400, "VALIDATION_ERROR", None)


def test_limits_are_reached_and_unknown_fields_ignored(forge):
    """Values at the edge of each range."""
    for fields in ({"seed": 0}, {"seed": 2**32 - 1}, {"input_strength": 0}, {"later": {"a": 1}}, {"model": None}):
        made = forge.generate(**fields)
        assert made["seed"] == fields.get("seed", made["seed"])


def test_a_negative_prompt_counts_where_the_model_uses_it(forge):
    """The tier's model has one here: nothing is told."""
    assert forge.generate(negative_prompt="a hat")["enhancement_logic"] is None


def test_sync_waits_for_the_picture(forge):
    """201 with the completed job, as soon as it has ended."""
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(forge.generate(sync=True, status=201, seed=77)))
    waiter.start()
    job_id = latest(forge, seed=77)
    forge.work(stored_id(job_id))
    waiter.join(30)
    assert (answers[0]["job_id"], answers[0]["state"]) == (job_id, "completed")
    assert answers[0]["asset_url"]


def latest(forge, seed):
    """The id of the newest job once it has this seed."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        listed = forge.call("GET", "/v2/jobs?limit=1").json()["jobs"]
        if listed and listed[0]["seed"] == seed:
            return listed[0]["job_id"]
        time.sleep(0.02)
    raise AssertionError("no such job")


def test_a_repetition_makes_no_second_job(forge):
    """By header or by field, with the same answer; another body is a 422, and header and field may not differ."""
    body = {"prompt": "a vase", "seed": 1}
    first = forge.call("POST", "/v2/generate", json=body, headers={"Idempotency-Key": "once-1"})
    again = forge.call("POST", "/v2/generate", json=body, headers={"Idempotency-Key": '"once-1"'})
    assert first.json() == again.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    other = forge.call("POST", "/v2/generate", json=body | {"seed": 2}, headers={"Idempotency-Key": "once-1"})
    assert failure(other) == (422, "CONFLICT", None)
    by_field = [forge.generate(prompt="a vase", idempotency_key="once-2")["job_id"] for _ in range(2)]
    assert by_field[0] == by_field[1] != first.json()["job_id"]
    differing = forge.call(
        "POST", "/v2/generate", json=body | {"idempotency_key": "a"}, headers={"Idempotency-Key": "b"}
    )
    assert failure(differing) == (400, "VALIDATION_ERROR", "idempotency_key")


def test_from_a_picture_of_ones_own(forge):
    """By job and by address, relative and absolute, with a mask in base64 and as a data URI."""
    source = forge.draw(seed=5)
    url, mask = source["asset_url"], png(64, 64)
    for fields in (
        {"input_job_id": source["job_id"], "input_strength": 0.3},
        {"input_asset_url": url},
        {"input_asset_url": forge.api.url + url, "mask_image": base64.b64encode(mask).decode()},
        {"input_job_id": source["job_id"], "mask_image": data_uri(mask), "aspect_ratio": "1:1"},
    ):
        assert forge.draw(**fields)["state"] == "completed"
    open_job = forge.generate()
    answer = forge.call("POST", "/v2/generate", json={"prompt": "a vase", "input_job_id": open_job["job_id"]})
    assert failure(answer) == (400, "VALIDATION_ERROR", "input_job_id")
    wrong = forge.call(
        "POST", "/v2/generate", json={"prompt": "a vase", "input_job_id": source["job_id"], "mask_image": "nonsense"}
    )
    assert failure(wrong) == (400, "VALIDATION_ERROR", "mask_image")


def test_a_body_over_the_limit_is_refused(forge):
    """413, in the dialect's form."""
    answer = forge.call("POST", "/v2/generate", content=b"{" + b" " * (13 * 2**20))
    assert failure(answer) == (413, "TOO_LARGE", None)
