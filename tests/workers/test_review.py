"""Review in the life of a job: waiting for a reviewer, what is kept of a blocked picture, and who is slowed down."""

import json
import time

import msgspec
import numpy as np
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from servers.chat import FAULTS, completion, start_chat

from imgen.domain.ids import new_cached_id
from imgen.domain.job import State
from imgen.domain.outcome import Blocked
from imgen.domain.recipe import CacheHit, PromptParts
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.live import block_penalty
from imgen.provenance.fingerprint import fingerprint
from imgen.records import audit, cache, jobs, ledger
from imgen.records.tables.jobs import jobs as job_rows
from workers import tasks
from workers.engines import Drawn, instant

UNSAFE = completion(json.dumps({"safe": False, "rules": ["sexual"], "reason": "no"}))
SAFE = completion(json.dumps({"safe": True, "rules": [], "reason": "fine"}))


@pytest.fixture(scope="module")
def chat():
    with start_chat() as started:
        yield started


@pytest.fixture
def make_reviewed(make_resources, chat):
    """Opens resources whose pictures are looked at, with pauses short enough for a test."""
    chat.will(always=SAFE)
    settings = (
        f'[review]\nreviewers = ["rules", "vision"]\nbase_url = "{chat.base_url}"\nmodel = "eye"\n'
        "timeout_s = 3\npause_s = 0\nfirst_pause_s = 0.1\nlongest_pause_s = 0.2\n"
    )
    return lambda give_up_s: make_resources(f"{settings}give_up_s = {give_up_s}\n")


@pytest.fixture
def reviewed(make_reviewed):
    """A resources with all the patience that a slow machine needs."""
    return make_reviewed(600)


def submit(resources, prompt="red coat", ruleset="default", **changes):
    parts = PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt)
    recipe = make_recipe(prompt_parts=parts, ruleset=ruleset)
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, positive=prompt))
    job = make_job(recipe=recipe, **changes)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def finish(resources, job):
    """The finish half, once it is due."""
    time.sleep(max(0, read(resources, job).available_at - time.time()) + 0.005)  # the database keeps milliseconds
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return read(resources, job)


def entries(resources, job):
    with resources.database.read() as connection:
        return audit.of_subject(connection, job.id)


def test_a_job_waits_for_its_reviewer_and_is_published_when_it_answers(reviewed, chat):
    """While nobody answers the job is in progress, costs no attempt and shows nothing; then it completes."""
    job = submit(reviewed)
    tasks.run_phase(reviewed, tasks.RENDER, job.id)
    chat.will(always=FAULTS["503"])
    for _ in range(5):
        waiting = finish(reviewed, job)
        assert (waiting.state, waiting.attempts, waiting.outcome) == (State.RENDERED, 0, None)
        assert not list(reviewed.objects.list("pictures/"))
    chat.will(always=SAFE)
    assert finish(reviewed, job).state is State.COMPLETED


def test_pauses_have_an_end(make_reviewed, chat):
    """Pauses keep within the first and the longest; once nobody answered for too long the job fails, unpublished."""
    reviewed = make_reviewed(0.5)
    job = submit(reviewed)
    tasks.run_phase(reviewed, tasks.RENDER, job.id)
    chat.will(always=FAULTS["prose"])
    pauses = []
    deadline = time.monotonic() + 20
    while (waiting := finish(reviewed, job)).state is State.RENDERED:
        pauses.append(waiting.available_at - time.time())
        assert time.monotonic() < deadline
    assert waiting.state is State.FAILED
    assert waiting.outcome.error == "Generation failed"
    assert pauses
    assert pauses[0] <= 0.1
    assert max(pauses) <= 0.2
    assert not list(reviewed.objects.list("pictures/"))
    with reviewed.database.read() as connection:
        kinds = connection.execute(ledger.ledger.select().where(ledger.ledger.c.job_id == job.id)).all()
    assert sorted(row.kind for row in kinds) == ["hold", "release"]


def test_a_picture_that_a_reviewer_refuses_is_kept_back(reviewed, chat):
    """A rule without release: no file, no picture address, an audit record, no charge."""
    chat.will(always=completion(json.dumps({"safe": False, "rules": ["hate"], "reason": "a hate symbol"})))
    job = submit(reviewed, "a harmless banner")
    tasks.run_phase(reviewed, tasks.RENDER, job.id)
    ended = finish(reviewed, job)
    assert ended.state is State.BLOCKED
    assert ended.outcome.blocked == Blocked(names=ended.outcome.blocked.names, categories=("hate",))
    assert [
        stored.key for prefix in ("pictures/", "withheld/", "work/") for stored in reviewed.objects.list(prefix)
    ] == []
    (entry,) = entries(reviewed, job)
    assert (entry.actor, entry.action, entry.tenant_id) == ("reviewer", "blocked", job.tenant_id)
    assert entry.detail["codes"] == ["hate"]
    assert entry.detail["reason"] == "vision: a hate symbol"
    assert entry.detail["ruleset"] == "default"


def test_a_released_picture_is_in_the_audit_as_well(reviewed, chat):
    """A rule with release: the picture lies apart, and the record says that it may be seen."""
    chat.will(always=completion(json.dumps({"safe": False, "rules": ["gore"], "reason": "blood"})))
    job = submit(reviewed)
    tasks.run_phase(reviewed, tasks.RENDER, job.id)
    ended = finish(reviewed, job)
    assert ended.outcome.blocked.unsafe_key.startswith("withheld/")
    assert not list(reviewed.objects.list("pictures/"))
    (entry,) = entries(reviewed, job)
    assert (entry.detail["codes"], entry.detail["release"]) == (["gore"], True)


def test_a_floor_match_behind_a_release_leaves_no_byte(reviewed, chat):
    """The rules would release the picture; a reviewer after them meets the floor: no file, no key, floor in the record."""
    chat.will(always=completion(json.dumps({"safe": False, "rules": ["minors"], "reason": "looks young"})))
    job = submit(reviewed, "nude woman")
    tasks.run_phase(reviewed, tasks.RENDER, job.id)
    ended = finish(reviewed, job)
    assert (ended.state, ended.outcome.blocked.floor, ended.outcome.blocked.unsafe_key) == (State.BLOCKED, True, "")
    assert [stored.key for stored in reviewed.objects.list("withheld/")] == []
    assert entries(reviewed, job)[0].detail["floor"] is True


def test_a_listed_picture_leaves_no_byte(make_resources):
    """A picture on a match list is stored under no key, has no thumbnail and is never released, under any ruleset."""
    resources = make_resources()
    job = submit(resources)
    pixels = instant.draw(job.recipe.diffusion)
    known = fingerprint(np.ascontiguousarray(pixels))
    folder = resources.settings.data_dir / "matches"
    folder.mkdir()
    (folder / "list.csv").write_text(known.hash)
    assert known.quality >= 50
    tasks.run_phase(resources, tasks.RENDER, job.id)
    ended = finish(resources, job)
    assert ended.state is State.BLOCKED
    blocked = ended.outcome.blocked
    assert (blocked.floor, blocked.categories, blocked.unsafe_key) == (True, ("listed",), "")
    assert [
        stored.key for prefix in ("pictures/", "withheld/", "work/") for stored in resources.objects.list(prefix)
    ] == []
    assert entries(resources, job)[0].detail["floor"] is True


def test_who_is_blocked_again_and_again_is_slowed_down(make_resources):
    """The free blocks cost nothing; each one after doubles the pause, and other tenants are not touched."""
    resources = make_resources("[review]\nfree_blocks = 2\nslow_down_s = 10\nlongest_slow_down_s = 35\n")
    remaining = []
    for _ in range(6):
        job = submit(resources, "a hakenkreuz", tenant_id="ten_bad")
        tasks.run_phase(resources, tasks.RENDER, job.id)
        assert read(resources, job).state is State.BLOCKED
        remaining.append(resources.live.run(block_penalty.remaining_ms("ten_bad")) / 1000)
    assert [seconds > 0 for seconds in remaining] == [False, False, True, True, True, True]
    assert [round(seconds, -1) for seconds in remaining[2:4]] == [10, 20]
    assert 30 < remaining[5] <= 35
    assert resources.live.run(block_penalty.remaining_ms("ten_1")) <= 0


# ------------------------------------------------------------------ the semantic cache


def begin_entry(resources, entry_id, **changes):
    """A job whose picture is to be kept."""
    job = submit(resources, **changes)
    job = structs.replace(job, recipe=structs.replace(job.recipe, cache_entry_id=entry_id))
    draft = cache.PendingEntry(
        tenant_id="ten_1", model="eros", partition="p", embedder="m", text="red coat", vector=b"1234"
    )
    with resources.database.write() as connection:
        connection.execute(
            job_rows.update().where(job_rows.c.id == job.id).values(recipe=msgspec.json.encode(job.recipe).decode())
        )
        cache.add_pending(connection, draft, job)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    return finish(resources, job)


def found(resources, entry_id):
    with resources.database.read() as connection:
        return cache.find(connection, [entry_id], floor_version=FLOOR_VERSION).get(entry_id)


def submit_again(resources, entry, prompt="red coat", codes=("violence",)):
    """A hit on an entry."""
    cache_hit = CacheHit(entry_id=entry.id, codes=codes, policy_digest=entry.policy_digest)
    recipe = make_recipe(prompt_parts=PromptParts(prompt=prompt, original_prompt=prompt), cache_hit=cache_hit)
    job = make_job(id=new_cached_id(), recipe=recipe, state=State.RENDERED, queue="finish", master_key=entry.master_key)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return finish(resources, job)


def test_a_hit_is_not_looked_at_again_by_those_who_passed_it(reviewed, chat):
    """The same reviewers are not asked; what they noted the first time is told; another set of reviewers sees it anew."""
    assert begin_entry(reviewed, "ent_1").state is State.COMPLETED
    entry = found(reviewed, "ent_1")
    asked = len(chat.asked)
    again = submit_again(reviewed, entry)
    assert (again.state, again.outcome.meta.compliance_codes) == (State.COMPLETED, ("violence",))
    assert len(chat.asked) == asked
    chat.will(always=UNSAFE)
    assert submit_again(reviewed, entry).state is State.COMPLETED
    assert submit_again(reviewed, structs.replace(entry, policy_digest="others")).state is State.BLOCKED
    assert len(chat.asked) == 1


def test_a_hit_with_a_note_is_looked_at_again_where_the_words_name_a_child(reviewed, chat):
    """A picture noted beside other words may violate the floor beside these; one without a note is as it was."""
    assert begin_entry(reviewed, "ent_1").state is State.COMPLETED
    entry = found(reviewed, "ent_1")
    chat.will(always=completion(json.dumps({"safe": False, "rules": ["minors"], "reason": "a bare child"})))
    assert submit_again(reviewed, entry, "a child in a red coat", codes=()).state is State.COMPLETED
    assert submit_again(reviewed, entry, "a woman in a red coat").state is State.COMPLETED
    ended = submit_again(reviewed, entry, "a child in a red coat")
    assert (ended.state, ended.outcome.blocked.floor) == (State.BLOCKED, True)


def test_a_picture_somebody_doubted_is_not_kept(reviewed, chat, monkeypatch):
    """Safe with a flag is safe enough to show, and not to show again; blocked is neither."""
    folder = reviewed.settings.data_dir / "matches"
    folder.mkdir()
    (folder / "list.csv").write_text("0" * 64)
    assert begin_entry(reviewed, "ent_sure").state is State.COMPLETED
    assert found(reviewed, "ent_sure").master_key.startswith("cache/ent_sure/")
    grey = np.full((768, 1344, 3), 90, np.uint8)  # too plain to compare with the list, so somebody had to look
    monkeypatch.setattr(instant.InstantEngine, "render", lambda *_: [Drawn(pixels=grey)])
    assert begin_entry(reviewed, "ent_doubted").state is State.COMPLETED
    assert found(reviewed, "ent_doubted") is None
    chat.will(always=UNSAFE)
    assert begin_entry(reviewed, "ent_blocked").state is State.BLOCKED
    assert found(reviewed, "ent_blocked") is None


# ------------------------------------------------------------------ the model's own safety checker


@pytest.mark.parametrize(
    ("prompt", "ruleset", "code", "is_floor"),
    [
        ("flagged coat", "default", "sexual", False),
        ("flagged coat", "strict", "sexual", False),
        ("flagged coat", "art", "safety_checker", False),
        ("flagged coat, a child on a beach", "art", "minors", True),
    ],
)
def test_a_picture_that_the_model_flags_is_blocked(resources, prompt, ruleset, code, is_floor):
    """It ends blocked under the rule for nudity, else under the checker's own name; nothing of it is stored or charged."""
    job = submit(resources, prompt, ruleset=ruleset)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    ended = read(resources, job)
    assert ended.state is State.BLOCKED
    blocked = ended.outcome.blocked
    assert (blocked.categories, blocked.floor, blocked.unsafe_key) == ((code,), is_floor, "")
    assert not list(resources.objects.list(""))
    with resources.database.read() as connection:
        rows = connection.execute(ledger.ledger.select().where(ledger.ledger.c.job_id == job.id)).all()
    assert sorted(row.kind for row in rows) == ["hold", "release"]
    (entry,) = entries(resources, job)
    assert entry.detail["reason"] == "safety_checker"
    assert entry.detail["release"] is False
