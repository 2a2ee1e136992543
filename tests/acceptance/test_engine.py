"""The models that ship, drawn by diffusers with a character's LoRA, through the whole stack."""

import time

import httpx2
import pytest
from servers.stack import start_stack

from imgen import composition, settings
from imgen.provenance.fingerprint import distance
from imgen.provenance.inspection import inspect_picture


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack as a new user has it, with nothing configured."""
    with start_stack(tmp_path_factory.mktemp("engine") / "var", models=None) as running:
        yield running


def test_a_picture_by_diffusers(stack):
    """A character's picture is drawn with its LoRA, progress only grows, and what comes out is ours."""
    listed = stack.post({"action": "models"}).json()
    assert listed["characters"] == ["aaliyah", "aya", "bella"]
    assert next(iter(listed["models"])) == "eros"
    job = stack.generate("@aya red coat, on a (beach:1.2), -hat", seed=11, steps=12)
    told, answer = [], {}
    deadline = time.monotonic() + 120
    while answer.get("status") not in ("COMPLETED", "FAILED") and time.monotonic() < deadline:
        answer = stack.status(job)
        told.append(answer.get("progress", told[-1] if told else 0))
        time.sleep(0.02)
    assert answer["status"] == "COMPLETED", answer
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1
    meta = answer["meta"]
    assert (meta["character"], meta["seed"], meta["steps"]) == ("aya", 11, 12)
    anchors = composition.trust_anchors(settings.load(stack.data, environ={}))
    found = inspect_picture(httpx2.get(meta["images"][0]["url"]).content, anchors=anchors)
    assert (found.width, found.height) == (1344, 768)
    assert (found.credentials.state, found.watermark.id) == ("Trusted", meta["watermark_id"])
    assert distance(found.fingerprint.hash, meta["fingerprint"]) <= 10


def test_seed_and_lora_decide_the_picture(stack):
    """The same seed gives the same picture again; another seed, or no character, another one."""
    asked = {"steps": 2, "seed": 3}
    jobs = [
        stack.generate("@aya red coat", **asked),
        stack.generate("red coat", **asked),
        stack.generate("@aya red coat", **asked),
        stack.generate("@aya red coat", steps=2, seed=4),
    ]
    first, plain, again, other = (stack.wait(job, within_s=120)["meta"]["fingerprint"] for job in jobs)
    assert distance(first, again) <= 10
    assert distance(first, other) > 31
    assert first != plain
