"""Calls of engines in SQL: the cap holds under load, months begin anew, and what nobody ends is ended as paid."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from factories import PLAN, make_job
from msgspec import structs
from sqlalchemy import select, text

from imgen.domain.errors import LeaseLost, SpendingCapReached
from imgen.domain.job import State
from imgen.domain.outcome import FAILED_OUTCOME
from imgen.domain.remote_engine import MICROS, parse_remote_engine
from imgen.records import engine_calls, engine_spending, job_transitions, jobs, ledger, retention, schema
from imgen.records.tables.engines import engine_calls as table

BEFORE = "0028"
LAST_OF_NOVEMBER = 1_796_083_199.0  # 2026-11-30 23:59:59 UTC
NOVEMBER, DECEMBER = "2026-11", "2026-12"
THREADS = 16


def engine(**fields):
    return parse_remote_engine("cloud", {"kind": "openai", **fields})


@pytest.fixture
def claimed(database):
    """Makes jobs that a worker has claimed."""

    def make(number=1):
        def write(connection):
            made = [make_job() for _ in range(number)]
            for job in made:
                jobs.add(connection, job)
                ledger.hold(connection, job, PLAN)
            return [
                job_transitions.claim(connection, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=9)
                for job in made
            ]

        return database.attempt(write)

    return make


@pytest.fixture
def spent(database):
    """Returns the spending of the engine in a month, which the sum of its days must equal."""

    def read(month=NOVEMBER):
        with database.read() as connection:
            amount = engine_calls.spent_micros(connection, "cloud", month)
            days = engine_spending.by_engine(connection, first=f"{month}-01", last=f"{month}-31")
            assert days.get("cloud", (0, 0))[1] == amount
            return amount

    return read


def opened(database, job, price=MICROS, now=LAST_OF_NOVEMBER, **fields):
    return database.attempt(engine_calls.open_call, job, engine=engine(**fields), price_micros=price, now=now)


def test_sixteen_threads_never_spend_a_cent_over_the_cap(database, claimed, spent):
    """Of 96 calls of 0.30 below a cap of 10.00 exactly 33 are booked; those given back can be used again."""

    def call(job):
        try:
            return opened(database, job, price=300_000, monthly_cap=10)
        except SpendingCapReached:
            return None

    with ThreadPoolExecutor(THREADS) as threads:
        booked = [one for one in threads.map(call, claimed(96)) if one is not None]
        assert (len(booked), spent()) == (33, 9_900_000)
        list(threads.map(lambda one: database.attempt(engine_calls.end_call, one.id, is_paid=False), booked[:10] * 2))
        assert spent() == 6_900_000
        again = [one for one in threads.map(call, claimed(32)) if one is not None]
    assert (len(again), spent()) == (10, 9_900_000)


def test_a_new_month_begins_at_nothing(database, claimed, spent):
    """A cap that is reached stops the last second of a month and not the first one of the next; UTC counts."""
    first, second, third = claimed(3)
    call = opened(database, first, monthly_cap=1)
    with pytest.raises(SpendingCapReached, match="2026-11"):
        opened(database, second, monthly_cap=1)
    opened(database, third, monthly_cap=1, now=LAST_OF_NOVEMBER + 1)
    database.attempt(engine_calls.end_call, call.id, is_paid=False, now=LAST_OF_NOVEMBER + 5)
    assert (spent(), spent(DECEMBER)) == (0, MICROS)


def test_a_price_of_nothing_is_counted_and_stopped_by_no_cap(database, claimed, spent):
    """Also where the cap is 0, which a price stops at once."""
    free, paid = claimed(2)
    opened(database, free, price=0, monthly_cap=0)
    with pytest.raises(SpendingCapReached):
        opened(database, paid, price=1, monthly_cap=0)
    assert spent() == 0
    with database.read() as connection:
        (row,) = engine_spending.by_day(connection, first="2026-11-30", last="2026-11-30")
    assert (row.engine, row.model, row.tenant, row.calls, row.amount_micros) == (
        "cloud",
        free.recipe.model,
        "ten_1",
        1,
        0,
    )


def test_nothing_is_called_for_a_job_that_another_worker_has(database, claimed, spent):
    """Nothing is booked either."""
    (job,) = claimed()
    with pytest.raises(LeaseLost):
        opened(database, structs.replace(job, fence=job.fence + 1))
    assert spent() == 0


def end(database, job, at):
    database.attempt(job_transitions.end, job, State.FAILED, FAILED_OUTCOME, now=at)


def state_of(database, call):
    with database.read() as connection:
        return connection.execute(select(table.c.state).where(table.c.id == call.id)).scalar()


def test_calls_that_nobody_ends_are_paid_a_while_after_their_job(database, claimed, spent):
    """Calls of open jobs and of jobs that ended just now stay open; a late end gives nothing back."""
    jobs_ = claimed(3)
    waiting, just_ended, long_ended = [opened(database, job) for job in jobs_]
    end(database, jobs_[1], 1990.0)
    end(database, jobs_[2], 1000.0)

    def sweep(now):
        return database.attempt(engine_calls.end_abandoned, grace_s=900, limit=10, now=now)

    assert [sweep(2000.0), sweep(2000.0)] == [1, 0]
    assert [state_of(database, one) for one in (waiting, just_ended, long_ended)] == ["open", "open", "paid"]
    database.attempt(engine_calls.end_call, long_ended.id, is_paid=False)
    assert spent() == 3 * MICROS
    assert sweep(2900.0) == 1


def test_calls_go_with_their_job_and_spending_stays(database, claimed, spent):
    """Deleted by retention or by a person."""
    gone, kept = claimed(2)
    opened(database, gone)
    call = opened(database, kept)
    end(database, gone, 1000.0)
    database.attempt(retention.delete_jobs, [gone.id, kept.id])
    with database.read() as connection:
        assert connection.execute(select(table.c.id)).scalars().all() == [call.id]
    assert spent() == 2 * MICROS


def test_the_tables_go_with_the_version_before_and_come_back_empty(database, claimed):
    """Down below the version that made them, and up again."""
    opened(database, *claimed())
    with database.write() as connection:
        command.downgrade(schema._config(connection), BEFORE)
        count = "SELECT count(*) FROM {}"
        with pytest.raises(Exception, match="engine_calls"), connection.begin_nested():
            connection.execute(text(count.format("engine_calls")))
    schema.upgrade(database)
    with database.read() as connection:
        for name in ("engine_calls", "engine_spending", "engine_months"):
            assert connection.execute(text(count.format(name))).scalar() == 0
