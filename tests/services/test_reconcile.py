"""The reconciler over real parts: what it publishes and mends."""

import asyncio
import time

import pytest
from factories import PLAN, make_job
from sqlalchemy import create_engine, text, update

from imgen.domain.errors import DatabaseUnavailable
from imgen.domain.job import FINISH_QUEUE, State
from imgen.live import job_views
from imgen.live import waiting as queues
from imgen.records import job_transitions, jobs, ledger
from imgen.records.tables.jobs import jobs as table
from imgen.records.tables.operations import locks
from imgen.services.reconcile import Reconciler
from imgen.services.waiting_check import PAGE, WaitingCheck


@pytest.fixture
def rounds(core):
    """Runs a function with a core and a reconciler over an empty database."""
    return lambda work: core(lambda opened: work(opened, Reconciler(opened)))


def add(core, **changes):
    job = make_job(**changes)

    def write(connection):
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)

    core.database.attempt(write)
    return job


def read(core, job):
    with core.database.read() as connection:
        return jobs.find(connection, job.id)


def test_a_row_without_a_message_is_published(rounds):
    """Jobs that a dead submitter left are in the broker after one round, once, and counted as waiting."""

    async def work(core, reconciler):
        job = add(core, available_at=time.time() - 10)
        first, second = await reconciler.round(), await reconciler.round()
        return (
            first["never published"],
            second["never published"],
            core.publisher.depth(job.queue),
            await core.live.run(queues.count(["render.eros"])),
            read(core, job),
        )

    first, second, depth, waiting, job = rounds(work)
    assert (first, second, depth, waiting) == (1, 0, 1, 1)
    assert job.published_at is not None


def test_a_message_lost_from_an_empty_broker_is_sent_again(rounds):
    """A published job whose queue is empty gets a new message."""

    async def work(core, reconciler):
        job = add(core, published_at=time.time() - 10)
        did = await reconciler.round()
        return did["message lost"], core.publisher.depth(job.queue)

    assert rounds(work) == (1, 1)


def test_a_flood_that_others_overtake_is_not_sent_again(rounds):
    """Ten thousand jobs of one tenant wait for minutes while those of others are rendered: none of them is published anew."""

    async def work(core, reconciler):
        now = time.time()
        flood = [make_job(created_at=now - 300, published_at=now - 300) for _ in range(10_000)]
        core.database.attempt(lambda connection: [jobs.add(connection, job) for job in flood])
        core.publisher.publish(flood[0].queue, flood[0].id, 3)
        later = add(core, tenant_id="ten_2", published_at=now)
        claim = {"waiting": State.QUEUED, "lease_s": 60, "max_attempts": 3}
        core.database.attempt(job_transitions.claim, later.id, **claim)
        did = await reconciler.round() + await reconciler.round()
        return did["message lost"], did["never published"], core.publisher.depth(later.queue)

    assert rounds(work) == (0, 0, 1)


def test_two_reconcilers_do_the_work_once(rounds):
    """The lock lets one of them through."""

    async def work(core, reconciler):
        add(core, available_at=time.time() - 10)
        did = await asyncio.gather(reconciler.round(), Reconciler(core).round())
        return sorted(one["never published"] for one in did)

    assert rounds(work) == [0, 1]


def test_pollers_hear_of_a_job_that_timed_out(rounds):
    """The poll view is the end as soon as the round is over."""

    async def work(core, reconciler):
        job = add(core, deadline_at=time.time() - 1, published_at=time.time())
        await reconciler.round()
        return await core.live.run(job_views.get_view(job.id))

    assert rounds(work).view.state is State.TIMED_OUT


def test_a_job_that_cannot_be_repaired_stops_no_other(rounds):
    """A row that cannot be read is passed over; jobs after it are put back, ended and published in the same round."""

    async def work(core, reconciler):
        late = {"deadline_at": time.time() - 1, "published_at": time.time()}
        broken, other = add(core, **late, created_at=1.0), add(core, **late, created_at=2.0)
        unsent = add(core, available_at=time.time() - 10)
        change = update(table).where(table.c.id == broken.id).values(recipe="{", deadline_at=1.0)
        core.database.attempt(lambda connection: connection.execute(change))
        did = await reconciler.round()
        return did["deadline passed"], did["never published"], read(core, other).state, read(core, unsent).published_at

    ended, published, state, published_at = rounds(work)
    assert (ended, published, state) == (1, 1, State.TIMED_OUT)
    assert published_at is not None


def test_positions_are_compared_with_the_record(rounds):
    """Jobs that wait no more stop shifting positions; one that Redis forgot is counted again, at its old place."""

    async def work(core, reconciler):
        now = time.time()
        forgotten, known = (add(core, published_at=now, created_at=now - n) for n in (2, 1))
        running = add(core, state=State.RENDERING, published_at=now, lease_until=now + 99)
        for job in (known, running, make_job(id="run_deleted")):
            await core.live.run(queues.add(job))
        did = await reconciler.round()
        waiting = await core.live.run(queues.count(["render.eros"]))
        positions = [await core.live.run(queues.position("render.eros", job.id)) for job in (forgotten, known, running)]
        return did["waited no more"], did["position lost"], waiting, positions, (await reconciler.round()).total()

    assert rounds(work) == (2, 1, 2, [0, 1, None], 0)


def test_the_finish_queue_is_compared_too(rounds):
    """A rendered job that Redis forgot gets its place again, and one that is done loses it."""

    async def work(core, reconciler):
        now = time.time()
        forgotten = add(core, state=State.RENDERED, queue=FINISH_QUEUE, published_at=now)
        await core.live.run(queues.add(make_job(id="run_deleted", queue=FINISH_QUEUE)))
        did = await reconciler.round()
        return (
            did["waited no more"],
            did["position lost"],
            await core.live.run(queues.head(FINISH_QUEUE, 9)),
            forgotten.id,
        )

    strays, missing, waiting, forgotten = rounds(work)
    assert (strays, missing, waiting) == (1, 1, [forgotten])


def test_a_long_queue_is_compared_a_page_a_round(core):
    """A round's work is bounded; after a few rounds every stray is gone and every job has its place."""

    async def work(opened):
        check = WaitingCheck(opened)
        now = time.time()
        made = [make_job(created_at=now - n, published_at=now) for n in range(PAGE + 300)]

        def write(connection):
            for job in made:
                jobs.add(connection, job)

        opened.database.attempt(write)
        for number in range(2 * PAGE):
            await opened.live.run(queues.add(make_job(id=f"run_{number}", created_at=now)))
        pages = [await check.page() for _ in range(6)]
        waiting = await opened.live.run(queues.count(["render.eros"]))
        return [max(map(len, page)) for page in pages], waiting

    sizes, waiting = core(work)
    assert waiting == PAGE + 300
    assert max(sizes) < 2 * PAGE


def test_the_loop_runs_until_it_is_cancelled(rounds):
    """Started like the API starts it, it publishes what is there and ends when told to, giving its lock back."""

    async def work(core, reconciler):
        job = add(core, available_at=time.time() - 10)
        task = asyncio.create_task(reconciler.run())
        for _ in range(100):
            await asyncio.sleep(0.05)
            if read(core, job).published_at is not None:
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with core.database.read() as connection:
            return read(core, job).published_at, connection.execute(locks.select()).all()

    published_at, held = rounds(work)
    assert published_at is not None
    assert held == []


def test_living_workers_may_renew_after_an_outage_of_the_database(core, postgres_url):
    """Nobody could renew a lease while it was away: what ran out then is left alone for the time of one lease."""
    admin = create_engine(postgres_url.replace("/postgres", "/template1"), isolation_level="AUTOCOMMIT")

    def allow(connections: bool):
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE postgres ALLOW_CONNECTIONS {connections}"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'")
            )

    async def work(opened):
        reconciler = Reconciler(opened)
        job = add(opened, state=State.RENDERING, attempts=1, fence=1, lease_until=time.time() - 60)
        try:
            await asyncio.to_thread(allow, False)
            with pytest.raises(DatabaseUnavailable):
                await reconciler.round()
        finally:
            await asyncio.to_thread(allow, True)
        kept = (await reconciler.round())["worker lost"], read(opened, job).state
        await asyncio.sleep(1.1)
        return kept, (await reconciler.round())["worker lost"], read(opened, job).state

    lease = "[jobs]\nlease_s = 1\n"
    kept, lost, state = core(work, f'[database]\nurl = "{postgres_url}"\n{lease}')
    admin.dispose()
    assert kept == (0, State.RENDERING)
    assert (lost, state) == (1, State.QUEUED)
