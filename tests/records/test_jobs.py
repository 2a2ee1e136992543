"""Rows of jobs: found and listed as they were stored."""

import time

import pytest
from factories import PLAN, make_job

from imgen.domain.errors import JobNotFound
from imgen.domain.outcome import Outcome
from imgen.records import jobs, ledger


def add(database, **changes):
    job = make_job(**changes)
    with database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(database, job):
    with database.read() as connection:
        return jobs.find(connection, job.id)


def test_a_job_comes_back_as_it_went_in(database):
    """Recipe, outcome and times survive the trip through SQL."""
    job = add(database, timings={"queue": 0.25}, outcome=Outcome(error="x"))
    assert read(database, job) == job


def test_another_tenants_job_looks_unknown(database):
    """A foreign id and an unknown id raise the same error."""
    job = add(database)
    for job_id, tenant in ((job.id, "ten_2"), ("run_" + "x" * 22, "ten_1")):
        with database.read() as connection, pytest.raises(JobNotFound):
            jobs.find(connection, job_id, tenant_id=tenant)


def test_a_batch_is_listed_in_its_order(database):
    """Its jobs alone, by their place; a job without a batch is in none."""
    made = [add(database, batch_id="run_1", batch_index=index) for index in (2, 0, 1)]
    add(database), add(database, batch_id="run_2")
    with database.read() as connection:
        assert jobs.of_batch(connection, "run_1") == [made[1], made[2], made[0]]
        assert jobs.of_batch(connection, "run_3") == []


def test_the_latest_of_a_key_are_its_own_and_the_newest_first(database):
    """Neither another key's jobs nor, with a scope, another tenant's; no more than asked for, ties told apart by id."""
    made = [
        add(database, counted_as="usr_1", tenant_id=tenant, created_at=at)
        for at, tenant in ((1.0, "ten_1"), (3.0, "ten_2"), (2.0, "ten_1"))
    ]
    add(database, counted_as="usr_2", created_at=4.0)
    with database.read() as connection:
        everything = jobs.latest_of_key(connection, "usr_1", limit=9)
        newest = jobs.latest_of_key(connection, "usr_1", limit=2)
        own = jobs.latest_of_key(connection, "usr_1", scope=frozenset({"ten_1"}), limit=9)
        nobodys = jobs.latest_of_key(connection, "usr_1", scope=frozenset(), limit=9)
    assert everything == [made[1], made[2], made[0]]
    assert newest == everything[:2]
    assert own == [made[2], made[0]]
    assert nobodys == []


def test_pages_are_newest_first_and_complete(database):
    """Walking the cursor sees every job of the tenant once, also where times are equal."""
    now = time.time()
    made = [add(database, created_at=now + n // 2) for n in range(7)]
    add(database, tenant_id="ten_2")
    seen, before = [], None
    while True:
        with database.read() as connection:
            found = jobs.list_jobs(connection, "ten_1", limit=3, before=before, states=frozenset())
        if not found:
            break
        seen += [job.id for job in found]
        before = (found[-1].created_at, found[-1].id)
    expected = sorted(made, key=lambda job: (job.created_at, job.id), reverse=True)
    assert seen == [job.id for job in expected]
