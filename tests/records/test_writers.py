"""Writing transactions of callers on an event loop: on SQLite those that wait share a commit, and none spoils another's."""

import asyncio

import pytest
from factories import PLAN, make_job
from servers.tables import make_tables
from sqlalchemy import event, text

from imgen.domain.errors import DatabaseFull, JobNotFound, QuotaExceeded
from imgen.records import job_events, jobs, ledger, writers
from imgen.records.database import Database


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path / 'imgen.db'}")
    make_tables(opened)
    yield opened
    opened.close()


@pytest.fixture
def commits(database):
    """Collects the writing transactions that are committed from here on."""
    seen = []
    event.listen(
        database.engine,
        "commit",
        lambda connection: seen.append(1) if connection.get_execution_options().get("imgen_writes") else None,
    )
    return seen


def run_together(database, *transactions):
    """Submits transactions while the writer is busy; returns their results and errors in order."""

    async def run():
        busy = asyncio.Event()
        loop = asyncio.get_running_loop()
        gate = asyncio.Event()

        def hold_up(_connection):
            loop.call_soon_threadsafe(busy.set)
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)

        first = asyncio.create_task(database.writing(hold_up))
        await busy.wait()
        tasks = [asyncio.create_task(database.writing(transaction)) for transaction in transactions]
        await asyncio.sleep(0)  # all are submitted
        gate.set()
        await first
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(run())


def add(job):
    def transaction(connection):
        added = jobs.add_now(connection, job)
        ledger.hold(connection, added, PLAN)
        return added.id

    return transaction


def stored(database, *batch):
    with database.read() as connection:
        return [job.id for job in jobs.find_readable(connection, [job.id for job in batch])]


def test_transactions_that_wait_share_a_commit(database, commits):
    """Ten transactions that come while the writer is busy take one commit, and each gets its own result."""
    batch = [make_job() for _ in range(10)]
    assert run_together(database, *(add(job) for job in batch)) == [job.id for job in batch]
    assert len(commits) == 2  # the one that held them up, and theirs
    assert sorted(stored(database, *batch)) == sorted(job.id for job in batch)


def test_a_group_has_a_limit(database, commits, monkeypatch):
    """More transactions than the limit take several commits."""
    monkeypatch.setattr(writers, "MOST_TOGETHER", 4)
    batch = [make_job() for _ in range(10)]
    assert run_together(database, *(add(job) for job in batch)) == [job.id for job in batch]
    assert len(commits) == 1 + 3


def test_what_raises_undoes_itself_alone(database):
    """Of three transactions the one over its quota leaves no row, no sum and no event; the others are whole."""
    plan = PLAN.__class__(key="two", label="Two", pictures_per_month=2)
    batch = [make_job() for _ in range(3)]

    def within_quota(job):
        def transaction(connection):
            added = jobs.add_now(connection, job)
            ledger.hold(connection, added, plan)
            return added.id

        return transaction

    results = run_together(database, *map(within_quota, batch))
    assert results[:2] == [job.id for job in batch[:2]]
    assert isinstance(results[2], QuotaExceeded)
    assert sorted(stored(database, *batch)) == sorted(job.id for job in batch[:2])
    with database.read() as connection:
        noted = [one.job_id for one in job_events.since(connection, batch[0].tenant_id, 0, limit=10)]
        sums = ledger.counts(connection, [batch[0].tenant_id], now=batch[0].created_at)
    assert noted == [job.id for job in batch[:2]]
    assert sums[batch[0].tenant_id, ledger.OPEN_PERIOD].held == 2


def test_a_broken_constraint_is_told_to_its_caller(database):
    """An id that is taken fails one transaction of a group, and the next one is stored."""
    job, other = make_job(), make_job()
    first, twice, last = run_together(database, add(job), add(job), add(other))
    assert (first, last) == (job.id, other.id)
    assert type(twice).__name__ == "IntegrityError"
    assert sorted(stored(database, job, other)) == sorted([job.id, other.id])


def test_a_refused_statement_costs_no_other_transaction(database):
    """After a statement that fails as on a full disk, the others of its group are run again alone, and are stored."""
    batch = [make_job() for _ in range(2)]

    def fill_up(connection):
        connection.execute(text("PRAGMA max_page_count = 1"))  # SQLite takes the present size: not one page more
        connection.execute(text("CREATE TABLE too_large AS SELECT zeroblob(100000) AS filler"))

    def make_room(connection):
        connection.execute(text("PRAGMA max_page_count = 1073741823"))

    first, full, _, last = run_together(database, add(batch[0]), fill_up, make_room, add(batch[1]))
    assert isinstance(full, DatabaseFull)
    assert (first, last) == (batch[0].id, batch[1].id)
    assert sorted(stored(database, *batch)) == sorted(job.id for job in batch)


def test_a_caller_that_has_gone_stores_nothing(database):
    """A transaction that is cancelled before its turn is not run."""
    ran = []

    async def run():
        gate, busy, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()

        def hold_up(_connection):
            loop.call_soon_threadsafe(busy.set)
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)

        first = asyncio.create_task(database.writing(hold_up))
        await busy.wait()
        gone = asyncio.create_task(database.writing(lambda _: ran.append("gone")))
        stays = asyncio.create_task(database.writing(lambda _: ran.append("stays")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, stays)

    asyncio.run(run())
    assert ran == ["stays"]


def test_errors_of_our_own_reach_the_caller(database):
    """Errors of a transaction are raised at the place that awaits its result, in a group as alone."""

    def miss(connection):
        jobs.find(connection, "run_unknown", tenant_id="ten_a")

    results = run_together(database, miss, miss)
    assert [type(result) for result in results] == [JobNotFound, JobNotFound]
