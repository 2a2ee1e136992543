"""Events of jobs: one for each transition, in the order of the commits, without a gap."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from factories import PLAN, make_job

from imgen.domain.errors import LeaseLost
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import job_events, job_transitions, jobs, ledger

FINISH = {"queue": "finish", "master_key": "work/x", "timings": {}}
HOUR_S = 3600


def submit(connection, **changes):
    job = jobs.add_now(connection, make_job(**changes))
    ledger.hold(connection, job, PLAN)
    return job


def claim(connection, job, waiting=State.QUEUED):
    return job_transitions.claim(connection, job.id, waiting=waiting, lease_s=10, max_attempts=3)


def whole_way(database, **changes):
    """Every transition of a job that is put back once and completes, each in a transaction of its own."""
    job = database.attempt(submit, **changes)
    job = database.attempt(job_transitions.put_back, database.attempt(claim, job))
    job = database.attempt(job_transitions.hand_on, database.attempt(claim, job), **FINISH)
    return database.attempt(
        job_transitions.end, database.attempt(claim, job, State.RENDERED), State.COMPLETED, Outcome()
    )


def events(database, tenant_id="ten_1", after=0, **more):
    with database.read() as connection:
        return job_events.since(connection, tenant_id, after, **{"limit": 10_000, **more})


def latest(database, *tenant_ids):
    with database.read() as connection:
        return job_events.latest(connection, tenant_ids)


def test_each_transition_is_an_event(database):
    """The way of a job is told from its making to its end, with ranks that rise."""
    job = whole_way(database)
    way = [
        State.QUEUED,
        State.RENDERING,
        State.QUEUED,
        State.RENDERING,
        State.RENDERED,
        State.FINISHING,
        State.COMPLETED,
    ]
    told = events(database)
    assert [event.state for event in told] == way
    assert [event.number for event in told] == [1, 2, 3, 4, 5, 6, 7]
    assert {event.job_id for event in told} == {job.id}
    ranks = [event.rank for event in told[:-1]]
    assert ranks == sorted(set(ranks))
    assert latest(database, "ten_1", "ten_none") == {"ten_1": 7}


def test_what_did_not_happen_is_no_event(database):
    """A stale worker's move, a claim in vain, a renewal and a transaction that is rolled back leave no event and no gap."""
    first = database.attempt(claim, database.attempt(submit))
    second = database.attempt(claim, database.attempt(job_transitions.put_back, first))
    with pytest.raises(LeaseLost):
        database.attempt(job_transitions.put_back, first)
    assert database.attempt(claim, second) is None
    assert database.attempt(job_transitions.renew, second, lease_s=10)

    def broken(connection):
        submit(connection)
        raise ValueError

    with pytest.raises(ValueError):
        database.attempt(broken)
    database.attempt(job_transitions.cancel, second.id, "ten_1")
    assert [event.number for event in events(database)] == [1, 2, 3, 4, 5]
    assert events(database)[-1].state is State.CANCELLED


def test_numbers_are_of_one_tenant_and_lists_of_some_jobs(database):
    """Another tenant's events are neither counted nor listed; of a tenant's jobs those asked for are, from a number on."""
    mine, other = whole_way(database), whole_way(database, tenant_id="ten_2")
    third = database.attempt(submit)
    assert latest(database, "ten_1", "ten_2") == {"ten_1": 8, "ten_2": 7}
    assert [event.number for event in events(database, after=5, job_ids=[mine.id, other.id])] == [6, 7]
    assert [event.job_id for event in events(database, after=7)] == [third.id]
    assert len(events(database, limit=3)) == 3


def test_jobs_of_one_request_take_numbers_together(database):
    """A transaction that makes several jobs, even of several tenants, numbers them in their order."""

    def batch(connection):
        return [submit(connection, tenant_id=tenant) for tenant in ("ten_2", "ten_1", "ten_2", "ten_2")]

    made = database.attempt(batch)
    assert [event.job_id for event in events(database, "ten_2")] == [job.id for job in made if job.tenant_id == "ten_2"]
    assert [event.number for event in events(database, "ten_2")] == [1, 2, 3]


def test_parallel_transactions_wait_in_no_circle(database):
    """Many threads move jobs of two tenants at once: no deadlock, no gap, and each job's events are in the order of its way.

    `database.write` alone tries nothing twice, so a deadlock would be an error here.
    """

    def work(number):
        def transact(function, *args, **kwargs):
            with database.write() as connection:
                return function(connection, *args, **kwargs)

        tenant_id = f"ten_{number % 2}"
        job = transact(submit, tenant_id=tenant_id)
        doomed = transact(submit, tenant_id=tenant_id)
        transact(job_transitions.cancel, doomed.id, tenant_id)
        job = transact(job_transitions.hand_on, transact(claim, job), **FINISH)
        return transact(job_transitions.end, transact(claim, job, State.RENDERED), State.COMPLETED, Outcome())

    with ThreadPoolExecutor(8) as threads:
        ended = list(threads.map(work, range(48)))
    for tenant_id in ("ten_0", "ten_1"):
        told = events(database, tenant_id)
        assert [event.number for event in told] == list(range(1, 24 * 7 + 1))
        for job in ended:
            ranks = [event.rank for event in told if event.job_id == job.id]
            assert ranks == sorted(ranks)


def test_whoever_sees_a_number_sees_all_lower_ones(database):
    """While transactions commit in parallel, a reader that goes on from the last number it saw misses none."""
    stopped, seen = threading.Event(), []

    def follow():
        while True:
            is_last = stopped.is_set()
            seen.extend(event.number for event in events(database, after=seen[-1] if seen else 0))
            if is_last:
                return

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: database.attempt(submit), range(100)))
    finally:
        stopped.set()
        reader.join()
    assert seen == list(range(1, 101))


def test_events_of_a_day_are_kept(database):
    """Old ones go in small pieces, the oldest first; numbers are never used again."""
    whole_way(database)
    now = time.time()
    with database.write() as connection:
        assert job_events.delete_old(connection, limit=3, now=now + 23 * HOUR_S) == 0
        assert job_events.delete_old(connection, limit=3, now=now + 25 * HOUR_S) == 3
    with database.read() as connection:
        assert job_events.oldest(connection, "ten_1") == 4
    with database.write() as connection:
        assert job_events.delete_old(connection, limit=100, now=now + 25 * HOUR_S) == 4
        assert job_events.oldest(connection, "ten_1") is None
    database.attempt(submit)
    assert [event.number for event in events(database)] == [8]
