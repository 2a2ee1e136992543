"""Answers of `status` for ended jobs: composed of the stored outcome, with URLs signed at that moment."""

import base64
from types import SimpleNamespace

import msgspec
import pytest
from factories import make_job

from imgen import settings
from imgen.domain.job import State
from imgen.domain.outcome import Blocked, Meta, Outcome, StoredImage
from imgen.objects.disk import DiskStore
from imgen.surfaces.action.translation import ended_answer, listed_job

TYPES = {
    str: "x",
    int: 1,
    float: 0.5,
    float | None: 0.5,
    int | None: 1,
    bool: True,
    tuple[str, ...]: ("nudity",),
    dict[str, float]: {"render": 1.5},
}
META = Meta(**{field.name: TYPES[field.type] for field in msgspec.structs.fields(Meta)})
IMAGES = (StoredImage(key="pictures/a.png", filename="a.png", type="signed"),)


@pytest.fixture
def core(tmp_path):
    """The two parts of a Core that answers need."""
    store = DiskStore(tmp_path / "objects", base_url="http://x", secret=b"s" * 32)
    return SimpleNamespace(settings=settings.load(tmp_path), objects=store)


def answer(core, state, outcome, job_id="run_1", **more):
    return msgspec.json.decode(msgspec.json.encode(ended_answer(core, job_id, state, outcome, **more)))


def test_meta_is_what_is_stored_and_its_images_last(core):
    """Every stored field in its order, then the files with their URLs; no object key is told."""
    told = answer(core, State.COMPLETED, Outcome(meta=META, images=IMAGES))
    assert list(told) == ["status", "meta"]
    stored = msgspec.to_builtins(META)
    assert list(told["meta"]) == [*stored, "images"]
    assert {name: told["meta"][name] for name in stored} == msgspec.json.decode(msgspec.json.encode(stored))
    assert [list(image) for image in told["meta"]["images"]] == [["url", "filename", "type"]]
    assert told["meta"]["images"][0]["url"].startswith("http://x/files/pictures/a.png?expires=")


def test_a_cache_hit_says_so(core):
    """Only where there is a picture."""
    assert answer(core, State.COMPLETED, Outcome(meta=META), "cache_1")["cache"] is True
    assert "cache" not in answer(core, State.FAILED, Outcome(error="Generation failed"), "cache_1")


@pytest.mark.parametrize(
    ("state", "error", "unrecorded"),
    [
        ("failed", "Generation failed", "generation_failed"),
        ("timed_out", "Timed out", "timed_out"),
        ("cancelled", "Cancelled", "cancelled"),
    ],
)
def test_a_job_without_a_picture_tells_why(core, state, error, unrecorded):
    """Status, one sentence, and the reason's code; a row without one has that of its state."""
    assert answer(core, State(state), Outcome(error=error)) == {
        "status": state.upper(),
        "error": error,
        "code": unrecorded,
    }
    told = answer(core, State(state), Outcome(error=error), code="worker_lost")
    assert told == {"status": state.upper(), "error": error, "code": "worker_lost"}


def test_a_blocked_picture_has_a_url_only_where_it_may_be_seen(core):
    """In base64; never for the floor, whatever is stored."""

    def told(**changes):
        return answer(core, State.BLOCKED, Outcome(blocked=Blocked(names=("A", "B"), categories=("a", "b"), **changes)))

    bare = {
        "status": "COMPLETED",
        "compliance": "unsafe",
        "error": "Content blocked — flagged for: A, B",
        "filter_categories": ["a", "b"],
    }
    assert told() == told(unsafe_key="withheld/a", floor=True) == bare
    url = base64.b64decode(told(unsafe_key="withheld/a")["unsafe_url"]).decode()
    assert url.startswith("http://x/files/withheld/a?")


@pytest.mark.parametrize(
    ("state", "stored", "code"),
    [
        (State.FAILED, "worker_lost", "worker_lost"),
        (State.FAILED, "", "generation_failed"),
        (State.CANCELLED, "", "cancelled"),
        (State.QUEUED, "object_store_unavailable", None),
        (State.COMPLETED, "", None),
        (State.BLOCKED, "", None),
    ],
)
def test_a_listed_job_without_a_picture_tells_why(state, stored, code):
    """The code is that of `status`; an open job has none, whatever its latest attempt met."""
    listed = msgspec.json.decode(msgspec.json.encode(listed_job(make_job(state=state, error_code=stored))))
    assert listed.get("code") == code
