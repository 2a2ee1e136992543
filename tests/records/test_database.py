"""Transactions: run again after a conflict, within bounds; rows of several owners are locked in one order everywhere."""

import asyncio
import itertools
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from factories import PLAN, make_job
from sqlalchemy import text

from imgen.domain.errors import Retryable, TransactionConflict
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions, jobs, ledger, schema
from imgen.records.database import WRITE_TRIES, Database

OWNERS = [f"{kind}_{name}" for kind in ("key", "ten", "usr") for name in "aBc"]
TURNS = 20


@pytest.fixture
def postgres(postgres_url):
    opened = Database(postgres_url)
    schema.upgrade(opened)
    yield opened
    opened.close()


def together(*works):
    """Runs functions in threads that start at one moment, each many times; the first error is raised."""
    start = threading.Barrier(len(works))

    def repeat(work):
        start.wait(10)
        for turn in range(TURNS):
            work(turn)

    with ThreadPoolExecutor(len(works)) as threads:
        list(threads.map(repeat, works))


def test_holds_ends_and_counts_of_requests_never_wait_in_a_circle(postgres):
    """Sums are locked in one order, so that no transaction is ended for another's sake; what they add up to is right."""
    tenant, key = f"ten_{secrets.token_hex(4)}", f"usr_{secrets.token_hex(4)}"
    now = make_job().created_at

    def submit_and_end(_turn):
        job = make_job(tenant_id=tenant, counted_as=key, state=State.FINISHING)
        with postgres.write() as connection:
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
        with postgres.write() as connection:
            job_transitions.end(connection, job, State.COMPLETED, Outcome())

    def count(owners):
        def add(_turn):
            with postgres.write() as connection:
                ledger.add_requests(connection, [(owner, 1) for owner in owners], now=now)

        return add

    mixed = [*OWNERS, tenant, key]
    together(submit_and_end, submit_and_end, count(mixed), count(mixed[::-1]))
    with postgres.read() as connection:
        sums = ledger.counts(connection, [tenant, key], now=now)
    day, month = ledger.periods(now)
    total = 2 * TURNS
    expected = ledger.Count(requests=total, pictures=total, credits=total, plan_credits=total)
    assert {sums[owner, period] for owner in (tenant, key) for period in (day, month)} == {expected}
    assert sums[tenant, ledger.OPEN_PERIOD].held == 0


def test_a_deadlock_is_tried_again(postgres):
    """Of two transactions that wait for each other the database ends one; the caller notices nothing."""
    names = [secrets.token_hex(6) for _ in range(2)]
    insert = text("INSERT INTO locks (name, owner, until) VALUES (:name, '', 0)")
    with postgres.write() as connection:
        for name in names:
            connection.execute(insert, {"name": name})
    meeting, runs = threading.Barrier(2), itertools.count()

    def change(connection, first, second):
        connection.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
        update = text("UPDATE locks SET until = until + 1 WHERE name = :name")
        connection.execute(update, {"name": first})
        if next(runs) < meeting.parties:  # the second try finds nobody to wait for
            meeting.wait(5)
        connection.execute(update, {"name": second})

    async def both():
        await asyncio.gather(postgres.writing(change, *names), postgres.writing(change, *names[::-1]))

    asyncio.run(both())
    with postgres.read() as connection:
        changed = connection.execute(
            text("SELECT sum(until) FROM locks WHERE name IN (:a, :b)"), dict(zip("ab", names, strict=True))
        )
        assert changed.scalar_one() == 4


@pytest.mark.parametrize("code", ["40P01", "40001"])
def test_a_conflict_that_does_not_end_is_given_up(postgres, code):
    """A transaction is run a few times and no more; then its caller hears of it as of a database that is away."""
    tries = []

    def fail(connection):
        tries.append(code)
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$"))

    with pytest.raises(TransactionConflict):
        asyncio.run(postgres.writing(fail))
    assert len(tries) == WRITE_TRIES


def test_another_failure_is_not_run_again_behind_the_caller(postgres):
    """An API request is not held up by a database that is away: one try."""
    tries = []

    def fail(connection):
        tries.append(1)
        connection.execute(text("SELECT 1 / 0"))

    with pytest.raises(Retryable):
        asyncio.run(postgres.writing(fail))
    assert len(tries) == 1
