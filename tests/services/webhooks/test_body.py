"""Body of a webhook: small enough, and cut where it hurts least."""

import json

import pytest
from factories import make_job
from msgspec import structs
from services.webhooks.calls import SETTINGS

from imgen.dispatcher import forms
from imgen.domain.job import State
from imgen.domain.outcome import Blocked, Outcome
from imgen.services.webhooks.body import MAX_BODY_BYTES, make_body, time_text

URL = "https://img.example.com/" + "u" * 900


@pytest.mark.parametrize("letter", ["a", "ü", '"', "\U0001f600"])
def test_a_long_body_has_its_longest_texts_cut(letter):
    """To one length, the longest that fits; URLs, ids and short texts stay whole."""
    texts = {"id": "run_1", "prompt": letter * 10_000, "positive": letter * 9_000, "negative": "hat"}
    data = {**texts, "images": [{"url": URL}, {"url": URL}], "asset_url": URL, "seed": 7}
    body = make_body("job.completed", 1_764_000_000.25, data)
    told = json.loads(body)
    assert MAX_BODY_BYTES * 0.98 < len(body) < MAX_BODY_BYTES
    assert told["truncated"] is True
    assert told["data"]["prompt"] == told["data"]["positive"] == letter * len(told["data"]["prompt"])
    assert len(told["data"]["prompt"]) > 500
    assert {**told["data"], "prompt": "", "positive": ""} == {**data, "prompt": "", "positive": ""}


def test_a_prompt_that_looks_like_a_url_is_cut():
    """Members that are URLs stay whole, texts of callers do not."""
    body = make_body("job.completed", 0, {"id": "run_1", "prompt": "https://" + "x" * 30_000, "downloadUrl": URL})
    told = json.loads(body)
    assert len(body) < MAX_BODY_BYTES
    assert (told["truncated"], told["data"]["downloadUrl"]) == (True, URL)


def test_a_short_body_is_whole():
    """It has type, time and data, and does not speak of cuts."""
    body = make_body("job.failed", 1_764_000_000.25, {"id": "run_1"})
    assert body == b'{"type":"job.failed","timestamp":"2025-11-24T16:00:00.250Z","data":{"id":"run_1"}}'


def test_times_are_utc_with_milliseconds():
    """Ends within a second can be put in order."""
    assert time_text(1_764_000_000.0006) == "2025-11-24T16:00:00.000Z"


def test_a_withheld_pictures_address_is_not_sent(core):
    """`unsafe_url` is for who asks for it; all else is the answer to `status`."""
    blocked = Blocked(names=("Nudity",), categories=("nudity",), unsafe_key="withheld/ten_1/g/1/x.png")
    job = structs.replace(make_job(), state=State.BLOCKED, outcome=Outcome(blocked=blocked))

    async def main(core):
        return json.loads(make_body("job.blocked", 0, forms()["action"](core, job)))["data"]

    assert core(main, SETTINGS) == {
        "id": job.id,
        "status": "COMPLETED",
        "compliance": "unsafe",
        "error": "Content blocked — flagged for: Nudity",
        "filter_categories": ["nudity"],
    }
