"""Finding what was lost."""

import time

import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs

from imgen.domain.errors import LeaseLost
from imgen.domain.failure import Failure
from imgen.domain.job import FINISH_QUEUE, State
from imgen.records import job_transitions, jobs, ledger, reconcile

NOW = 1_800_000_000.0


def add(database, **changes):
    job = make_job(created_at=NOW, available_at=NOW, deadline_at=NOW + 600)
    job = structs.replace(job, **changes)
    with database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def claim(database, job, now, lease_s=10, waiting=State.QUEUED):
    with database.write() as connection:
        return job_transitions.claim(connection, job.id, waiting=waiting, lease_s=lease_s, max_attempts=3, now=now)


def put_back_lost(database, now):
    """A round of the reconciler: finds jobs, and moves each in a transaction of its own."""
    with database.read() as connection:
        found = reconcile.lost(connection, now=now)
    return [database.attempt(reconcile.put_back_lost, job_id, max_attempts=3, now=now) for job_id in found]


def test_a_job_whose_worker_died_waits_again(database):
    """A lease that ran out puts the job back at once; a live one is left alone."""
    dead, alive = claim(database, add(database), NOW), claim(database, add(database), NOW + 8)
    moved = put_back_lost(database, NOW + 11)
    assert [(job.id, job.state) for job in moved] == [(dead.id, State.QUEUED)]
    with database.read() as connection:
        assert jobs.find(connection, alive.id).state is State.RENDERING


def test_a_job_that_kills_its_workers_is_given_up(database):
    """The third lease that runs out ends the job as failed."""
    job = add(database)
    for attempt in range(3):
        now = NOW + attempt * 20
        assert claim(database, job, now).attempts == attempt + 1
        (moved,) = put_back_lost(database, now + 11)
    assert (moved.state, moved.outcome.error) == (State.FAILED, "Generation failed")


def test_a_job_over_its_tiers_limit_ends_though_no_worker_is_left(database):
    """The limit begins with the first step of the first attempt, and its end is told; other jobs have their lifetime."""
    limited = add(database, recipe=make_recipe(tier="draft", time_limit_s=60))
    running = claim(database, limited, NOW + 5)
    for at in (NOW + 10, NOW + 30):  # a later attempt begins no second limit
        begun = database.attempt(job_transitions.note_first_step, running, limit_s=60, now=at)
        assert (begun.first_step_at, begun.deadline_at) == (NOW + 10, NOW + 70)
    with database.read() as connection:
        assert reconcile.overdue(connection, now=NOW + 69) == []
        assert reconcile.overdue(connection, now=NOW + 71) == [limited.id]
    ended = database.attempt(reconcile.end_overdue, limited.id, now=NOW + 71)
    assert (ended.state, ended.error_code, ended.outcome.error) == (
        State.TIMED_OUT,
        "timed_out",
        "Timed out after 60 s",
    )


@pytest.mark.parametrize("changes", [{}, {"recipe": make_recipe(tier="draft", time_limit_s=60)}], ids=["none", "tier"])
def test_a_job_at_the_end_of_its_lifetime_is_told_so(database, changes):
    """A tier's limit that begins shortly before does not make it longer."""
    job = claim(database, add(database, deadline_at=NOW + 30, **changes), NOW)
    if changes:
        job = database.attempt(job_transitions.note_first_step, job, limit_s=60, now=NOW + 10)
        assert job.deadline_at == NOW + 30
    ended = database.attempt(reconcile.end_overdue, job.id, now=NOW + 31)
    assert (ended.error_code, ended.outcome.error) == ("deadline_passed", "Timed out")


def test_a_limit_begins_for_the_latest_claim_alone(database):
    """A worker that lost the job changes nothing."""
    stale = claim(database, add(database, recipe=make_recipe(time_limit_s=60)), NOW)
    put_back_lost(database, NOW + 11)
    with pytest.raises(LeaseLost):
        database.attempt(job_transitions.note_first_step, stale, limit_s=60, now=NOW + 12)


def test_unpublished_jobs_are_found_after_a_grace(database):
    """A row without a message is left to its submitter first, then found; a pause that is not over hides it."""
    job = add(database)
    add(database, available_at=NOW + 100)
    with database.write() as connection:
        assert reconcile.unpublished(connection, grace_s=3, now=NOW + 2) == []
        assert [found.id for found in reconcile.unpublished(connection, grace_s=3, now=NOW + 4)] == [job.id]
        job_transitions.note_published(connection, job.id, job.queue, now=NOW + 4)
        assert reconcile.unpublished(connection, grace_s=3, now=NOW + 50) == []


def test_later_tries_are_sent_without_a_grace(database):
    """A job whose worker died is found at once: nobody else is about to send its message."""
    job = claim(database, add(database), NOW)
    put_back_lost(database, NOW + 11)
    with database.read() as connection:
        found = reconcile.unpublished(connection, grace_s=3, now=NOW + 11.001)
    assert [lost.id for lost in found] == [job.id]


def test_a_job_that_waits_for_an_outage_is_sent_when_it_is_due(database):
    """Not before its next try, and then without a grace."""
    job = claim(database, add(database), NOW)
    away = Failure(code="timestamp_unavailable", reason="gone")
    with database.write() as connection:
        job_transitions.wait_for_outage(connection, job, failure=away, pause_s=20, now=NOW)
        assert reconcile.unpublished(connection, grace_s=3, now=NOW + 19.9) == []
        found = reconcile.unpublished(connection, grace_s=3, now=NOW + 20.1)
    assert [waiting.id for waiting in found] == [job.id]


def test_messages_missing_from_an_empty_queue_are_found(database):
    """A waiting job whose queue is empty has lost its message."""
    job = add(database, published_at=NOW)
    with database.read() as connection:
        assert reconcile.waiting_queues(connection) == ["render.eros"]
        look = lambda now, empty: [  # noqa: E731 - one expression, used four times
            found.id
            for found in reconcile.lost_messages(connection, "render.eros", queue_is_empty=empty, grace_s=5, now=now)
        ]
        assert look(NOW + 4, True) == []
        assert look(NOW + 6, True) == [job.id]
        assert look(NOW + 60, False) == []


RENDERED = {"queue": FINISH_QUEUE, "state": State.RENDERED}


@pytest.mark.parametrize("waits", [{}, RENDERED], ids=["render", "finish"])
def test_a_flood_is_not_sent_again_because_others_overtake_it(database, waits):
    """Jobs of other tenants are served before those that were sent earlier; any message of the queue will do for these."""
    flood = [add(database, published_at=NOW + number / 10, **waits) for number in range(20)]
    later = add(database, published_at=NOW + 30, tenant_id="ten_2", **waits)
    claim(database, later, NOW + 31, waiting=later.state)
    with database.read() as connection:
        for is_empty, lost in ((False, 0), (True, 20)):
            found = reconcile.lost_messages(
                connection, flood[0].queue, queue_is_empty=is_empty, grace_s=5, now=NOW + 40
            )
            assert len(found) == lost


def test_overdue_jobs_time_out(database):
    """A job past its deadline ends as timed out and costs nothing."""
    job = add(database)
    with database.write() as connection:
        assert reconcile.overdue(connection, now=NOW + 599) == []
        assert reconcile.overdue(connection, now=NOW + 601) == [job.id]
        ended = reconcile.end_overdue(connection, job.id, now=NOW + 601)
        assert reconcile.end_overdue(connection, job.id, now=NOW + 601) is None
    assert (ended.id, ended.state, ended.outcome.error) == (job.id, State.TIMED_OUT, "Timed out")


def test_a_lease_that_was_renewed_is_not_put_back(database):
    """A worker that renews between the reconciler's look and its repair keeps its job."""
    job = claim(database, add(database), NOW)
    with database.write() as connection:
        assert reconcile.lost(connection, now=NOW + 11) == [job.id]
        assert job_transitions.renew(connection, job, lease_s=10, now=NOW + 11)
    with database.write() as connection, pytest.raises(LeaseLost):
        reconcile.put_back_lost(connection, job.id, max_attempts=3, now=NOW + 12)
    with database.read() as connection:
        assert jobs.find(connection, job.id).state is State.RENDERING


def test_leases_go_by_the_databases_clock(database, monkeypatch):
    """A reconciler on a host whose clock is twenty seconds ahead takes no job from a live worker."""
    job = add(database, available_at=0.0)
    with database.write() as connection:
        job_transitions.claim(connection, job.id, waiting=State.QUEUED, lease_s=10, max_attempts=3)
    ahead = time.time() + 20
    monkeypatch.setattr(time, "time", lambda: ahead)
    with database.write() as connection:
        assert reconcile.lost(connection) == []
        with pytest.raises(LeaseLost):
            reconcile.put_back_lost(connection, job.id, max_attempts=3)


def test_waiting_jobs_are_listed_page_by_page(database):
    """Pages of waiting jobs are complete and oldest first, without those that pause; jobs that wait no more are told apart."""
    made = [add(database, created_at=NOW + n // 2, published_at=NOW) for n in range(5)]
    rendered = add(database, created_at=NOW, published_at=NOW, **RENDERED)
    pausing = add(database, created_at=NOW, attempts=1, available_at=NOW + 99)
    claim(database, made[4], NOW)
    expected = [job.id for job in sorted(made[:4], key=lambda job: (job.created_at, job.id))]
    with database.read() as connection:
        first = reconcile.waiting_after(connection, State.QUEUED, (0.0, ""), limit=3)
        rest = reconcile.waiting_after(connection, State.QUEUED, (first[-1].created_at, first[-1].id), limit=3)
        other = reconcile.waiting_after(connection, State.RENDERED, (0.0, ""), limit=3)
        ids = [*(job.id for job in (*made, rendered)), "run_x"]
        assert reconcile.waiting_among(connection, "render.eros", ids) == set(expected)
        assert reconcile.waiting_among(connection, FINISH_QUEUE, ids) == {rendered.id}
    assert pausing.id not in expected
    assert [job.id for job in first + rest] == expected
    assert [job.id for job in other] == [rendered.id]
