"""The semantic cache's rows on both kinds of database."""

import pytest
from factories import make_job
from msgspec import structs
from sqlalchemy import delete

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.records import cache, cache_days, job_transitions, jobs
from imgen.records.cache import PendingEntry
from imgen.records.tables.cache import cache_lookups

NOW, DAY_S = 1_800_000_000.0, 86_400


def draft(**changes):
    given = {"tenant_id": "ten_1", "model": "eros", "partition": "p", "embedder": "m", "text": "red coat"}
    return PendingEntry(**(given | {"vector": b"\0\0\x80?"} | changes))


@pytest.fixture
def keep(database):
    """Makes an entry with its job; `ready_at` None leaves it as it is before its picture is there."""

    def make(
        entry_id, *, ready_at=NOW, size_bytes=100, used_at=None, floor_version=FLOOR_VERSION, made_at=NOW, **changes
    ):
        job = make_job(created_at=made_at)
        job = structs.replace(job, recipe=structs.replace(job.recipe, cache_entry_id=entry_id))
        with database.write() as connection:
            jobs.add(connection, job)
            cache.add_pending(connection, draft(**changes), job)
            if ready_at is not None:
                cache.make_ready(
                    connection,
                    entry_id,
                    master_key=f"cache/{entry_id}/1.png",
                    size_bytes=size_bytes,
                    codes=("violence",),
                    policy_digest="rules 1",
                    floor_version=floor_version,
                    now=used_at or ready_at,
                )
        return job

    return make


@pytest.fixture
def ask(database):
    """Calls one of the record functions in a transaction of its own."""

    def run(function, *args, **kwargs):
        with database.write() as connection:
            return function(connection, *args, **kwargs)

    return run


def test_an_entry_is_found_once_its_picture_is_there(keep, ask):
    """With what it was drawn with, what was noted and where its master lies."""
    keep("ent_a", ready_at=None)
    assert ask(cache.find, ["ent_a"], floor_version=FLOOR_VERSION) == {}
    assert ask(cache.changed_since, 0, embedder="m")[:2] == ([], [])
    job = keep("ent_b")
    (entry,) = ask(cache.find, ["ent_a", "ent_b", "ent_c"], floor_version=FLOOR_VERSION).values()
    assert (entry.id, entry.text, entry.codes, entry.master_key) == (
        "ent_b",
        "red coat",
        ("violence",),
        "cache/ent_b/1.png",
    )
    assert (entry.made_with.seed, entry.made_with.num_inference_steps) == (7, 4)
    assert job.recipe.diffusion.seed == 7
    assert entry.policy_digest == "rules 1"
    assert ask(cache.vectors, ["ent_a", "ent_b"]) == [("ent_b", "p", b"\0\0\x80?")]


def test_another_floor_hides_an_entry(keep, ask):
    """A picture judged under an older floor is not shown under a newer one, and goes with the next sweep."""
    keep("ent_old", floor_version=FLOOR_VERSION - 1)
    keep("ent_new")
    assert list(ask(cache.find, ["ent_old", "ent_new"], floor_version=FLOOR_VERSION)) == ["ent_new"]
    limits = {"used_before": 0.0, "max_bytes": 10**9, "max_entries": 10, "floor_version": FLOOR_VERSION}
    assert ask(cache.expired, **limits) == ["ent_old"]


def test_changes_since_a_time(keep, ask):
    """New ones of the embedder asked for, purged ones of all, and when the last of them was."""
    keep("ent_a", ready_at=NOW)
    keep("ent_b", ready_at=NOW + 10)
    keep("ent_c", ready_at=NOW + 20, embedder="other")
    assert ask(cache.changed_since, 0, embedder="m") == (["ent_a", "ent_b"], [], NOW + 10)
    assert ask(cache.purge, entry_ids=["ent_a"], now=NOW + 30) == 1
    assert ask(cache.changed_since, NOW + 5, embedder="m") == (["ent_b"], ["ent_a"], NOW + 30)
    assert ask(cache.changed_since, NOW + 31, embedder="m") == ([], [], NOW + 31)


def test_a_purge_takes_what_it_is_told_to(keep, ask):
    """By tenant, by model, or all; what is purged once is not counted again, and is found no more."""
    keep("ent_a")
    keep("ent_b", tenant_id="ten_2")
    keep("ent_c", model="other")
    assert ask(cache.purge, tenant_id="ten_2") == 1
    assert ask(cache.purge, model="other") == 1
    assert list(ask(cache.find, ["ent_a", "ent_b", "ent_c"], floor_version=FLOOR_VERSION)) == ["ent_a"]
    assert ask(cache.vectors, ["ent_b", "ent_c"]) == []
    assert ask(cache.purge) == 1
    assert ask(cache.purge) == 0


def test_one_that_is_purged_while_its_picture_is_made_stays_purged(keep, ask):
    """The worker's news comes too late."""
    keep("ent_a", ready_at=None)
    assert ask(cache.purge) == 1
    ask(
        cache.make_ready, "ent_a", master_key="k", size_bytes=1, codes=(), policy_digest="", floor_version=FLOOR_VERSION
    )
    assert ask(cache.find, ["ent_a"], floor_version=FLOOR_VERSION) == {}


def test_what_is_used_least_goes_first(keep, ask):
    """Beyond the cap in bytes or in number, and what nobody used for too long."""
    for number in range(5):
        keep(f"ent_{number}", used_at=NOW + number)
    assert ask(cache.use, "ent_0", now=NOW + 100)
    limits = {"used_before": 0.0, "max_bytes": 10**9, "max_entries": 10, "floor_version": FLOOR_VERSION}
    assert ask(cache.expired, **limits) == []
    ask(cache.purge, entry_ids=["ent_4"])
    assert not ask(cache.use, "ent_4", now=NOW + 200)
    keep("ent_5", used_at=NOW + 4)
    assert ask(cache.expired, **limits | {"max_bytes": 300}) == ["ent_1", "ent_2"]
    assert ask(cache.expired, **limits | {"max_entries": 4}) == ["ent_1"]
    assert sorted(ask(cache.expired, **limits | {"used_before": NOW + 3})) == ["ent_1", "ent_2"]


def test_what_is_abandoned(keep, ask):
    """Long purged, or begun by a job that ended otherwise; never that of a job that still runs."""
    keep("ent_ready")
    keep("ent_purged")
    running, failed = keep("ent_running", ready_at=None), keep("ent_failed", ready_at=None)
    ask(
        lambda connection: job_transitions.claim(
            connection, failed.id, waiting=State.QUEUED, lease_s=5, max_attempts=3, now=NOW
        )
    )
    claimed = ask(jobs.find, failed.id)
    from imgen.domain.account import Plan
    from imgen.records import ledger

    ask(ledger.hold, claimed, Plan(key="standard", label="Standard"))
    ask(job_transitions.end, claimed, State.FAILED, Outcome(error="Generation failed"))
    ask(cache.purge, entry_ids=["ent_purged"], now=NOW)
    assert ask(cache.orphaned, begun_before=NOW - 1, purged_before=NOW - 1) == []
    gone = ask(cache.orphaned, begun_before=NOW + 1, purged_before=NOW + 1)
    assert sorted(gone) == ["ent_failed", "ent_purged"]
    ask(cache.delete_entries, gone)
    assert ask(cache.orphaned, begun_before=NOW + 1, purged_before=NOW + 1) == []
    assert running.recipe.cache_entry_id == "ent_running"


def test_statistics(keep, ask):
    """Entries and bytes of what is there; hits and misses by tenant and day."""
    keep("ent_a")
    keep("ent_b", tenant_id="ten_2")
    keep("ent_c", ready_at=None)
    for tenant, is_hit, at in (
        ("ten_1", True, NOW),
        ("ten_1", True, NOW),
        ("ten_1", False, NOW - 86400),
        ("ten_2", False, NOW),
    ):
        ask(cache.count_lookups, tenant, hits=int(is_hit), misses=int(not is_hit), now=at)

    def told(**changes):
        found = ask(cache.statistics, **changes)
        return found.entries, found.size_bytes, found.hits, found.misses

    assert told() == (2, 200, 2, 2)
    assert told(tenant_id="ten_1") == (1, 100, 2, 1)
    assert told(tenant_id="nobody") == (0, 0, 0, 0)
    for now in (NOW, NOW + DAY_S, NOW + DAY_S, NOW + 3 * DAY_S):  # a day is summed up once, when it is over
        ask(cache_days.roll_up, now=now)
        assert told() == (2, 200, 2, 2)
    ask(cache.count_lookups, "ten_2", hits=1, misses=4, now=NOW + 4 * DAY_S)
    assert told() == (2, 200, 3, 6)
    assert told(tenant_id="ten_2") == (1, 100, 1, 5)


def test_totals_outlive_their_tenants(ask):
    """Rows of a day that is over go with their tenant: what they added to it stays; those of today go whole."""
    for days in (0, 2):
        ask(cache.count_lookups, "ten_1", hits=1, misses=1, now=NOW - days * DAY_S)
    ask(cache_days.roll_up, now=NOW)
    ask(lambda connection: connection.execute(delete(cache_lookups)))
    assert ask(cache_days.totals) == (1, 1)
