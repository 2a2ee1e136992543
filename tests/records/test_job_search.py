"""Searching and counting jobs on both kinds of database."""

import time

import pytest
from factories import make_job, make_recipe

from imgen.domain.ids import new_cached_id
from imgen.domain.job import State
from imgen.domain.outcome import Blocked, Outcome
from imgen.domain.recipe import PromptParts
from imgen.records import job_makers, job_search, job_statistics, jobs, retention, users
from imgen.records.job_search import Review

NOW = 1_800_000_000.0


@pytest.fixture
def stored(database):
    """Stores a job with these words, so many seconds ago."""

    def store(prompt, ago_s=0.0, character="", **changes):
        words = PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt, character=character)
        told = {name: changes.pop(name) for name in ("model", "style", "ruleset") if name in changes}
        recipe = make_recipe(prompt_parts=words, **told)
        job = make_job(recipe=recipe, created_at=NOW - ago_s, **changes)
        with database.write() as connection:
            jobs.add(connection, job)
        return job.id

    return store


@pytest.fixture
def search(database):
    def run(*, limit=10, after=None, **wanted):
        with database.read() as connection:
            return job_search.search(connection, job_search.JobFilter(**wanted), limit=limit, after=after)

    return run


def day_of(at):
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def ids(page):
    return [job.id for job in page.jobs]


def test_each_filter_narrows(stored, search):
    """Newest first; what is empty lets everything pass."""
    lamp = stored("a Green lamp", 30)
    kite = stored("a kite", 20, character="aya", tenant_id="ten_2", counted_as="key_2")
    boat = stored("100% a boat", 10, model="other", state=State.FAILED, surface="forge")
    assert ids(search()) == [boat, kite, lamp]
    assert ids(search(words="green LAMP")) == [lamp]
    assert ids(search(words="100%")) == [boat]
    assert ids(search(words="1_0%")) == []
    assert (
        ids(search(character="aya"))
        == ids(search(key_ids=frozenset({"key_2"})))
        == ids(search(scope=frozenset({"ten_2"})))
        == [kite]
    )
    assert ids(search(model="other")) == ids(search(states=frozenset({State.FAILED}))) == [boat]
    assert ids(search(surface="forge")) == ids(search(surface="forge", words="boat")) == [boat]
    assert ids(search(surface="forge", model="eros")) == ids(search(surface="x")) == []
    assert ids(search(since=NOW - 25, until=NOW - 15)) == [kite]
    assert ids(search(scope=frozenset())) == []


def test_a_batch_is_found_whole(stored, search):
    """Its jobs alone, in their own order, and only as far as the scope and the other filters allow."""
    first, second = (stored("row", 90, batch_id="run_a", batch_index=index) for index in range(2))
    stored("other row", 80, batch_id="run_b")
    stored("alone", 70)
    assert ids(search(batch_id="run_a")) == ids(search(batch_id="run_a", words="row")) == [first, second]
    assert ids(search(batch_id="run_a", words="other")) == ids(search(batch_id="run_c")) == []
    assert ids(search(batch_id="run_a", scope=frozenset({"ten_9"}))) == []


def test_what_came_of_the_review_narrows(stored, search):
    """Safe, blocked, withheld by the floor, blocked under a ruleset; a prompt that looks like one of them is none."""
    withheld = {"state": State.BLOCKED, "outcome": Outcome(blocked=Blocked(names=("x",), categories=("y",)))}
    by_floor = {
        "state": State.BLOCKED,
        "outcome": Outcome(blocked=Blocked(names=('"floor":true',), categories=(), floor=True)),
    }
    safe = stored("safe", 50, state=State.COMPLETED, ruleset="strict")
    strict = stored("strict", 40, ruleset="strict", **withheld)
    floored = stored("floored", 30, **by_floor)
    feigned = stored('"ruleset":"strict" "floor":true', 20, **withheld)
    stored("open", 10)
    assert ids(search(review=Review.SAFE)) == [safe]
    assert ids(search(review=Review.BLOCKED)) == [feigned, floored, strict]
    assert ids(search(review=Review.FLOOR)) == [floored]
    assert ids(search(blocked_under="strict")) == [strict]
    assert ids(search(blocked_under="default")) == [feigned, floored]
    assert ids(search(blocked_under="stric_")) == ids(search(review=Review.SAFE, blocked_under="default")) == []
    assert ids(search(review=Review.SAFE, states=frozenset({State.BLOCKED}))) == []


def test_people_have_names_beside_keys(stored, database):
    """The maker of a picture of the playground has a name, by which it is searched; a name of nothing finds nothing."""
    with database.write() as connection:
        made = [
            users.add(connection, name=name, role="member", password_hash="", must_change_password=False)
            for name in ("mira", "idle")
        ]
    stored("a", counted_as=made[0].id, tenant_id="ten_1")
    with database.read() as connection:
        assert job_makers.names(connection, [made[0].id, "key_gone"]) == {made[0].id: "mira (playground)"}
        assert job_makers.named(connection, "mira (playground)") == {made[0].id}
        assert job_makers.named(connection, "nobody") == {"nobody"}


def test_pages_follow_each_other(stored, search):
    """Every job once, also where several came at the same moment."""
    made = {stored(f"pebble {number}", number // 3) for number in range(10)}
    page, seen = search(limit=4), []
    while True:
        seen += ids(page)
        if page.after is None:
            break
        page = search(limit=4, after=page.after)
    assert (len(seen), set(seen)) == (10, made)


def test_a_long_prompt_is_searched_at_its_beginning(stored, search):
    """The index takes no more; the job itself has all of it."""
    job_id = stored("needle " + "x" * 9000 + " haystack")
    assert ids(search(words="needle")) == [job_id]
    assert ids(search(words="haystack")) == []
    assert search(words="needle").jobs[0].recipe.prompt_parts.prompt.endswith("haystack")


def test_counts(stored, database):
    """By minute and by day."""
    for ago_s in (5, 65, 66, 90_000):
        stored("a", ago_s)
    with database.read() as connection:
        assert job_statistics.per_minute(connection, scope=None, minutes=3, now=NOW) == [0, 2, 1]
        assert job_statistics.per_minute(connection, scope=frozenset({"other"}), minutes=3, now=NOW) == [0, 0, 0]
        days = job_statistics.by_day(connection, scope=None, column="model", since=NOW - 3 * 86400)
    assert [(day, value, tally.jobs) for day, value, tally in days] == [
        (day_of(NOW - 90_000), "eros", 1),
        (day_of(NOW), "eros", 3),
    ]


def test_a_tally_tells_how_jobs_fared(stored, database):
    """Ends of jobs, out of the cache or not, and the time that those that ended took; days and values add up."""
    for took_s in range(1, 21):
        stored("a", 100, state=State.COMPLETED, ended_at=NOW - 100 + took_s)
    stored("b", 100, state=State.BLOCKED, ended_at=NOW - 60)
    stored("c", 90_000, state=State.TIMED_OUT, ended_at=NOW - 89_000)
    stored("d", 50, state=State.CANCELLED, ended_at=NOW - 49, tenant_id="ten_2")
    stored("e", 50, id=new_cached_id(), character="aya")
    since = NOW - 2 * 86400
    with database.read() as connection:
        rows = job_statistics.by_day(connection, scope=frozenset({"ten_1"}), column="character", since=since)
        until_today = job_statistics.by_day(connection, scope=None, column="model", since=since, until=NOW - 200)
    assert [(day, value) for day, value, _ in rows] == [
        (day_of(NOW - 90_000), ""),
        (day_of(NOW), ""),
        (day_of(NOW), "aya"),
    ]
    assert [row[:2] for row in until_today] == [(day_of(NOW - 90_000), "eros")]
    late, plain, cached = (tally for _, _, tally in rows)
    assert (cached.cache_hits, cached.took_s(0.5)) == (1, None)
    assert (plain.took_s(0.5), plain.took_s(0.95)) == (11, 20)
    assert (late.failed, late.took_s(0.5)) == (1, 1000)
    both = job_statistics.merge([late, plain, cached])
    assert (both.jobs, both.completed, both.blocked, both.failed, both.cache_hits) == (23, 20, 1, 1, 1)
    assert both.took_s(0.95) == 40


def test_samples_are_the_newest_of_each(stored, database):
    """Completed ones with pictures alone, by model, style, character and ruleset, of the tenants that may be seen."""
    stored("old", 5000, character="aya", state=State.COMPLETED)
    rare = stored("rare", 4000, character="bella", state=State.COMPLETED, style="rare", ruleset="strict")
    newest = stored("new", 1000, character="aya", state=State.COMPLETED)
    for ago_s in range(2, 602):
        stored("plain", ago_s, state=State.COMPLETED, model="other")
    plain = stored("plain", 1, state=State.COMPLETED, model="other", tenant_id="ten_2")
    stored("failed", 0, character="carla", state=State.FAILED)
    bare = stored("bare", 0, character="dora", state=State.COMPLETED)
    with database.write() as connection:
        retention.drop_files(connection, [bare])
    with database.read() as connection:
        found = job_search.samples(connection, scope=None)
        of_one = job_search.samples(connection, scope=frozenset({"ten_1"}))
        assert job_search.samples(connection, scope=frozenset({"ten_9"})) == {}
    told = {name: job.id for name, job in found.items()}
    assert told[("character", "aya")] == told[("model", "eros")] == told[("style", "eros/professional")] == newest
    assert told[("character", "bella")] == told[("style", "eros/rare")] == told[("ruleset", "strict")] == rare
    assert told[("model", "other")] == told[("style", "other/professional")] == told[("ruleset", "default")] == plain
    assert of_one[("model", "other")].tenant_id == "ten_1"
    assert not {("character", "carla"), ("character", "dora")} & told.keys()


@pytest.mark.parametrize(
    "wanted",
    [
        {"states": frozenset({State.FAILED, State.TIMED_OUT})},
        {"states": frozenset({State.COMPLETED, State.FAILED}), "model": "eros"},
        {"scope": frozenset({"ten_1"}), "states": frozenset({State.FAILED, State.BLOCKED})},
        {"scope": frozenset({"ten_1", "ten_2"})},
        {"scope": frozenset(f"ten_{number}" for number in range(1, 60))},
        {"scope": frozenset()},
        {"key_ids": frozenset({"key_1"}), "states": frozenset({State.FAILED})},
        {"character": "aya", "until": NOW - 7},
        {"model": "other", "since": NOW - 20},
        {"review": job_search.Review.SAFE, "states": frozenset({State.FAILED})},
    ],
    ids=lambda wanted: (
        "+".join(wanted) + f"-{len(wanted.get('scope', ()))}-{len(wanted.get('states', ()))}"
    ),  # sets have no order
)
def test_pages_of_every_filter_are_whole_and_in_order(stored, search, wanted):
    """Page by page the same jobs as all at once, newest first, however the pages are put together."""
    states = (State.COMPLETED, State.FAILED, State.TIMED_OUT, State.BLOCKED)
    for number in range(48):
        stored(
            f"{number}", number // 2, state=states[number % 4], tenant_id=f"ten_{number % 3}", counted_as=f"key_{number % 2}",
            model=("eros", "other")[number % 5 == 0], character=("", "aya")[number % 3 == 0],
        )  # fmt: skip
    everything = search(limit=100, **wanted).jobs
    assert everything == sorted(everything, key=lambda job: (job.created_at, job.id), reverse=True)
    page, seen = search(limit=3, **wanted), []
    seen += page.jobs
    while page.after is not None:
        page = search(limit=3, after=page.after, **wanted)
        seen += page.jobs
    assert seen == everything
    fits = [
        job for job in search(limit=100).jobs
        if ("states" not in wanted or job.state in wanted["states"])
        and (wanted.get("scope") is None or job.tenant_id in wanted["scope"])
        and ("key_ids" not in wanted or job.counted_as in wanted["key_ids"])
        and ("review" not in wanted or job.state is State.COMPLETED)
        and ("model" not in wanted or job.recipe.model == wanted["model"])
        and ("character" not in wanted or job.recipe.prompt_parts.character == wanted["character"])
        and job.created_at >= wanted.get("since", 0)
        and job.created_at < wanted.get("until", NOW + 1)
    ]  # fmt: skip
    assert everything == fits
