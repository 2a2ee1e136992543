"""Transitions of jobs, and the ledger that goes with them, on both kinds of database."""

import threading
import time

import pytest
from factories import PLAN, make_job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from imgen.domain.errors import LeaseLost, QueueFull, QuotaExceeded
from imgen.domain.failure import Failure
from imgen.domain.job import ENDED, TRANSITIONS, State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions, jobs, ledger

FINISH = {"queue": "finish", "master_key": "work/x", "timings": {"render": 1.0}}


def add(database, **changes):
    job = make_job(**changes)
    with database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def claim(database, job, waiting=State.QUEUED, **more):
    with database.write() as connection:
        return job_transitions.claim(connection, job.id, waiting=waiting, lease_s=10, max_attempts=3, **more)


def read(database, job):
    with database.read() as connection:
        return jobs.find(connection, job.id)


def entries(database, job):
    with database.read() as connection:
        return sorted(
            connection.execute(ledger.ledger.select().where(ledger.ledger.c.job_id == job.id)).mappings().all(),
            key=lambda row: row["at"],
        )


def test_the_whole_way_is_charged_once(database):
    """Claim, hand on, claim, end: one hold, one charge, and the counters agree."""
    rendering = claim(database, add(database))
    assert (rendering.state, rendering.fence, rendering.attempts) == (State.RENDERING, 1, 1)
    with database.write() as connection:
        rendered = job_transitions.hand_on(connection, rendering, **FINISH)
    finishing = claim(database, rendered, State.RENDERED)
    assert (finishing.fence, finishing.attempts, finishing.queue) == (2, 1, "finish")
    with database.write() as connection:
        ended = job_transitions.end(connection, finishing, State.COMPLETED, Outcome())
    assert [row["kind"] for row in entries(database, ended)] == ["hold", "charge"]
    with database.read() as connection:
        counts = ledger.counts(connection, ["ten_1", "key_1"], now=ended.created_at)
    day, month = ledger.periods(ended.created_at)
    for owner in ("ten_1", "key_1"):
        assert (counts[owner, day].pictures, counts[owner, day].held) == (1, 0)
        assert (counts[owner, month].pictures, counts[owner, month].held) == (1, 0)
    assert counts["ten_1", ledger.OPEN_PERIOD].held == 0


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.TIMED_OUT])
def test_what_was_not_delivered_costs_nothing(database, state):
    """A job that fails, times out or is cancelled gives its hold back."""
    job = claim(database, add(database))
    with database.write() as connection:
        job_transitions.end(connection, job, state, Outcome(error="x"))
    assert [row["kind"] for row in entries(database, job)] == ["hold", "release"]


def test_only_one_of_many_claims_gets_the_job(database):
    """Twenty threads claim one job at the same time; one of them gets it."""
    job = add(database)
    got = []
    gate = threading.Barrier(20)

    def race():
        gate.wait()
        got.append(database.attempt(job_transitions.claim, job.id, waiting=State.QUEUED, lease_s=10, max_attempts=3))

    threads = [threading.Thread(target=race) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(1 for claimed in got if claimed is not None) == 1
    assert read(database, job).fence == 1


def test_a_stale_worker_cannot_commit(database):
    """After a second claim the first worker's lease, hand-on and end all fail and change nothing."""
    stale = claim(database, add(database))
    with database.write() as connection:
        job_transitions.put_back(connection, stale)
    fresh = claim(database, stale)
    for commit in (
        lambda c: job_transitions.hand_on(c, stale, **FINISH),
        lambda c: job_transitions.end(c, stale, State.FAILED, Outcome()),
        lambda c: job_transitions.put_back(c, stale),
    ):
        with database.write() as connection, pytest.raises(LeaseLost):
            commit(connection)
    with database.write() as connection:
        assert not job_transitions.renew(connection, stale, lease_s=10)
        assert job_transitions.renew(connection, fresh, lease_s=10)
    assert read(database, stale).fence == fresh.fence
    assert [row["kind"] for row in entries(database, stale)] == ["hold"]


def test_a_job_put_back_waits_out_its_pause(database):
    """Nobody can claim a job before its pause is over."""
    job = claim(database, add(database))
    with database.write() as connection:
        job_transitions.put_back(connection, job, pause_s=30)
    assert claim(database, job) is None
    assert claim(database, job, now=time.time() + 31).attempts == 2


def test_a_wait_for_a_part_costs_no_attempt_and_is_heeded(database):
    """A job that waits for an outage cannot be claimed early, though it has no attempt behind it; its next phase forgets the wait."""
    job = claim(database, add(database))
    away = Failure(code="object_store_unavailable", reason="gone")
    with database.write() as connection:
        waiting = job_transitions.wait_for_outage(connection, job, failure=away, pause_s=30)
    assert (waiting.attempts, waiting.error_code, waiting.error_reason) == (0, "object_store_unavailable", "gone")
    assert claim(database, job) is None
    again = claim(database, job, now=time.time() + 31)
    with database.write() as connection:
        longer = job_transitions.wait_for_outage(connection, again, failure=away, now=waiting.available_at + 40)
    assert longer.waiting_since == waiting.waiting_since
    with database.write() as connection:
        again = job_transitions.claim(
            connection, job.id, waiting=State.QUEUED, lease_s=10, max_attempts=3, now=longer.available_at
        )
        rendered = job_transitions.hand_on(connection, again, **FINISH)
    assert (rendered.error_code, rendered.error_reason, rendered.waiting_since) == ("", "", None)


def test_an_end_without_a_picture_has_a_reason(database):
    """The one that is given, else that of the latest attempt, else one by the state; a picture has none."""
    for waiting, state, failure, code in (
        (State.QUEUED, State.FAILED, Failure(code="model", reason="no weights"), "model"),
        (State.QUEUED, State.FAILED, None, "worker_lost"),
        (State.RENDERED, State.COMPLETED, None, ""),
    ):
        first = claim(database, add(database, state=waiting), waiting)
        with database.write() as connection:
            job_transitions.put_back(connection, first)
        second = claim(database, first, waiting)
        with database.write() as connection:
            ended = job_transitions.end(connection, second, state, Outcome(error="x"), failure=failure)
        assert (ended.error_code, bool(ended.error_reason)) == (code, bool(code))
    job = add(database)
    with database.write() as connection:
        assert job_transitions.cancel(connection, job.id, job.tenant_id).error_code == "cancelled"


def test_a_first_try_is_due_at_once(database):
    """A worker whose clock is behind takes a job that was submitted this moment: its message comes only once."""
    job = add(database)
    assert claim(database, job, now=job.available_at - 5).attempts == 1


def test_the_fourth_claim_fails_the_job(database):
    """A job that was claimed three times without an end is failed, not run again."""
    job = add(database)
    for _ in range(3):
        claimed = claim(database, job)
        with database.write() as connection:
            job_transitions.put_back(connection, claimed)
    assert claim(database, job) is None
    ended = read(database, job)
    assert (ended.state, ended.outcome.error) == (State.FAILED, "Generation failed")
    assert [row["kind"] for row in entries(database, job)] == ["hold", "release"]


def test_cancelling_wins_over_the_worker(database):
    """Once a cancel is acknowledged the worker that runs the job cannot complete it."""
    running = claim(database, add(database))
    with database.write() as connection:
        assert job_transitions.cancel(connection, running.id, "ten_1").state is State.CANCELLED
    with database.write() as connection, pytest.raises(LeaseLost):
        job_transitions.end(connection, running, State.FAILED, Outcome())
    with database.write() as connection:
        assert job_transitions.cancel(connection, running.id, "ten_1").state is State.CANCELLED
    assert [row["kind"] for row in entries(database, running)] == ["hold", "release"]


def test_a_limit_cannot_be_raced(database):
    """Two hundred submits at once against a limit of fifty make exactly fifty jobs."""
    plan = structs.replace(PLAN, pictures_per_day=50)
    results = []

    def submit(connection, job):
        jobs.add(connection, job)
        ledger.hold(connection, job, plan)

    def race():
        for _ in range(10):
            try:
                database.attempt(submit, make_job())
                results.append(True)
            except QuotaExceeded as exc:
                results.append(False)
                assert 0 < exc.retry_after_s <= 86401

    threads = [threading.Thread(target=race) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) == 50
    assert len(results) == 200
    with database.read() as connection:
        assert len(jobs.list_jobs(connection, "ten_1", limit=500, before=None, states=frozenset())) == 50


def test_a_tenant_may_have_only_so_many_open_jobs(database):
    """Over the plan's open jobs a submit is refused until one of them ends."""
    plan = structs.replace(PLAN, open_jobs=2)

    def submit():
        job = make_job()
        with database.write() as connection:
            jobs.add(connection, job)
            ledger.hold(connection, job, plan)
        return job

    first = submit()
    submit()
    with pytest.raises(QueueFull):
        submit()
    with database.write() as connection:
        job_transitions.cancel(connection, first.id, "ten_1")
    assert submit()


MOVES = ("claim render", "claim finish", "hand on", "put back", "complete", "block", "fail", "time out", "cancel")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves=st.lists(st.sampled_from(MOVES), max_size=12))
def test_no_sequence_leaves_the_transitions(sqlite_database, moves):
    """Whatever is tried in whatever order, a job moves along the table, ends once and is settled once."""
    database = sqlite_database
    job = add(database)
    held = None
    for move in moves:
        before = read(database, job)
        acts = {
            "claim render": lambda c: job_transitions.claim(c, job.id, waiting=State.QUEUED, lease_s=9, max_attempts=3),
            "claim finish": lambda c: job_transitions.claim(
                c, job.id, waiting=State.RENDERED, lease_s=9, max_attempts=3
            ),
            "hand on": lambda c: job_transitions.hand_on(c, held, **FINISH),
            "put back": lambda c: job_transitions.put_back(c, held),
            "complete": lambda c: job_transitions.end(c, held, State.COMPLETED, Outcome()),
            "block": lambda c: job_transitions.end(c, held, State.BLOCKED, Outcome()),
            "fail": lambda c: job_transitions.end(c, held, State.FAILED, Outcome()),
            "time out": lambda c: job_transitions.end(c, held, State.TIMED_OUT, Outcome()),
            "cancel": lambda c: job_transitions.cancel(c, job.id, "ten_1"),
        }
        if held is None and move not in ("claim render", "claim finish", "cancel"):
            continue
        try:
            with database.write() as connection:
                held = acts[move](connection) or held
        except (LeaseLost, AssertionError, KeyError):
            pass  # refused: what counts is that nothing illegal happened
        after = read(database, job)
        assert after.state is before.state or after.state in TRANSITIONS[before.state]
        if before.state in ENDED:
            assert after == before
    final = read(database, job)
    assert [row["kind"] for row in entries(database, job)][1:] == (
        [] if final.state not in ENDED else ["charge" if final.state is State.COMPLETED else "release"]
    )
