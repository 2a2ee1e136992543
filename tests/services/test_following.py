"""Following of jobs: each transition once and in its order, from the present or an earlier place on."""

import asyncio
import contextlib

import pytest
import redis
from factories import make_job
from servers.event_loop import until

from imgen.domain.account import Tenant
from imgen.domain.errors import BadId, CacheExpired, InvalidField, JobNotFound
from imgen.domain.ids import new_job_id
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.principal import SCOPES, Kind, Principal
from imgen.live import job_views, news
from imgen.live.executors import BlockingExecutor
from imgen.records import job_events, job_transitions, jobs, retention
from imgen.services.following import MOST_JOBS, follow
from imgen.services.tenant_news import MOST_EVENTS

OWNER = Principal(
    kind=Kind.API_KEY, counted_as="key_1", tenant=Tenant(id="ten_1", name="one", plan="unlimited"), scopes=SCOPES
)
FINISH = {"queue": "finish", "master_key": "work/x", "timings": {}}


class Worker:
    """Moves jobs as a worker does: in SQL, then in Redis."""

    def __init__(self, core, *, tells=True):
        self.database, self.live, self.tells = core.database, BlockingExecutor(core.settings.redis_url), tells

    def _moved(self, job):
        if self.tells:
            self.live.run(news.moved(job, self.live.run_id))
        return job

    def submit(self, **changes):
        return self._moved(self.database.attempt(jobs.add_now, make_job(**changes)))

    def claim(self, job, waiting=State.QUEUED):
        claim = job_transitions.claim
        return self._moved(self.database.attempt(claim, job.id, waiting=waiting, lease_s=10, max_attempts=3))

    def move(self, function, job, *args, **kwargs):
        return self._moved(self.database.attempt(function, job, *args, **kwargs))

    def end(self, job, state=State.FAILED):
        return self.move(job_transitions.end, job, state, Outcome(error="x"))

    def further(self, job, share):
        told = (news.progressed(job, share),)
        self.live.run(job_views.set_progress(job.id, share, fence=job.fence, news=told))

    def whole_way(self, job):
        job = self.move(job_transitions.put_back, self.claim(job))
        job = self.move(job_transitions.hand_on, self.claim(job), **FINISH)
        return self.end(self.claim(job, State.RENDERED))


async def collected(core, *ids, after=None, until=lambda _seen: False):
    """Updates with a status, as (number, job, state), to the end of the stream or to a condition."""
    seen = []
    async with asyncio.timeout(60), follow(core, OWNER, ids, after=after) as followed:
        if followed.has_nothing_left:
            return seen
        async with contextlib.aclosing(followed.updates()) as updates:
            async for update in updates:
                if update.status is not None:
                    seen.append((update.number, update.job_id, update.status.view.state))
                if until(seen):
                    break
    return seen


def states(seen, job=None):
    return [state for _, job_id, state in seen if job in (None, job_id)]


WAY = [State.RENDERING, State.RENDERING, State.RENDERING, State.RENDERED, State.FINISHING, State.FAILED]
"""States that an owner is told after the first, of a job that is put back once."""


@pytest.mark.parametrize("tells", [True, False], ids=["with news", "news lost"])
def test_every_transition_comes_once_in_its_order(core, tells):
    """From the present state to the end, numbered; lost news only take longer."""

    async def work(opened):
        worker = Worker(opened, tells=tells)
        job = worker.submit()
        begun = asyncio.Event()
        following = asyncio.create_task(collected(opened, job.id, until=lambda _seen: begun.set()))
        await begun.wait()
        await asyncio.to_thread(worker.whole_way, job)
        seen = await following
        assert states(seen) == [State.QUEUED, *WAY]
        assert [number for number, *_ in seen] == [None, 2, 3, 4, 5, 6, 7]
        assert opened.awaiting.is_idle

    core(work)


def test_whoever_comes_back_gets_what_was_missed(core):
    """From each number on the later transitions come, of the named jobs alone; from the last one on nothing is left."""

    async def work(opened):
        worker = Worker(opened)
        job, other = worker.submit(), worker.submit()
        worker.whole_way(job)
        for after, expected in ((2, WAY), (4, WAY[2:]), (7, WAY[5:])):
            seen = await collected(opened, job.id, after=after)
            assert states(seen) == expected
            assert seen[-1][0] == 8
        assert await collected(opened, job.id, after=8) == []
        both = await collected(opened, job.id, other.id, after=8, until=lambda seen: len(seen) == 1)
        assert both == [(None, other.id, State.QUEUED)]

    core(work)


def test_a_place_that_is_gone_or_nobodys_begins_anew(core):
    """Too old, too high or negative: the present state of the named jobs comes, then the rest as usual."""

    async def work(opened):
        worker = Worker(opened)
        job = worker.whole_way(worker.submit())
        waiting = worker.submit()
        for after in (99, -1):
            seen = await collected(opened, job.id, waiting.id, after=after, until=lambda seen: len(seen) == 2)
            assert states(seen) == [State.FAILED, State.QUEUED]
        with opened.database.write() as connection:
            job_events.delete_old(connection, limit=3, now=opened.clock() + 2 * job_events.KEPT_S)
        seen = await collected(opened, job.id, after=1)
        assert seen == [(None, job.id, State.FAILED)]
        assert states(await collected(opened, job.id, after=3)) == WAY[2:]

    core(work)


def test_all_jobs_of_the_tenant_are_followed_without_ids(core):
    """Each job as it changes, from now on or from a place on; another tenant's never."""

    async def work(opened):
        worker = Worker(opened)
        before = worker.submit()
        begun = asyncio.Event()
        following = asyncio.create_task(
            collected(opened, until=lambda seen: begun.set() or State.FAILED in states(seen))
        )
        await begun.wait()  # jobs of before are not told
        worker.submit(tenant_id="ten_2")
        job = worker.submit()
        await asyncio.to_thread(worker.whole_way, job)
        seen = await following
        assert states(seen) == [State.QUEUED, *WAY]
        assert {job_id for _, job_id, _ in seen} == {job.id}
        again = await collected(opened, after=0, until=lambda seen: len(seen) == 8)
        assert [number for number, *_ in again] == list(range(1, 9))
        assert again[0][1] == before.id

    core(work)


def test_progress_is_told_between_the_transitions(core):
    """The latest progress of the present claim comes; that of an earlier claim does not."""

    async def work(opened):
        worker = Worker(opened)
        job = worker.submit()
        shares = []
        async with (
            asyncio.timeout(60),
            follow(opened, OWNER, (job.id,), after=None) as followed,
            contextlib.aclosing(followed.updates()) as updates,
        ):
            async for update in updates:
                if update.status is None:
                    first = await asyncio.to_thread(worker.claim, job)
                elif update.number == 2:
                    await asyncio.to_thread(worker.further, first, 0.5)
                elif update.number is None and update.status.progress:
                    shares.append(update.status.progress)
                    back = await asyncio.to_thread(worker.move, job_transitions.put_back, first)
                    second = await asyncio.to_thread(worker.claim, back)
                    await asyncio.to_thread(worker.further, first, 0.9)
                    await asyncio.to_thread(worker.end, second)
        assert shares == [0.45]

    core(work)


def test_a_view_that_is_behind_keeps_nobody_from_the_end(core, clean_redis):
    """A worker that died between its commit and Redis: the end is told at once, whatever the poll view says; so do polls then."""

    async def work(opened):
        worker = Worker(opened)
        running = worker.claim(worker.submit())
        Worker(opened, tells=False).end(running)
        assert states(await collected(opened, running.id)) == [State.FAILED]
        found = await opened.live.run(job_views.get_view(running.id))
        assert found.view.state is State.FAILED
        with redis.Redis.from_url(clean_redis) as client:
            client.flushall()
        assert states(await collected(opened, running.id, after=0)) == [State.QUEUED, State.RENDERING, State.FAILED]

    core(work)


def test_a_deleted_job_is_no_error(core):
    """Its transitions are passed over by those who come back for them."""

    async def work(opened):
        worker = Worker(opened)
        gone, kept = worker.whole_way(worker.submit()), worker.whole_way(worker.submit())
        opened.database.attempt(retention.delete_jobs, [gone.id])
        await opened.live.run(job_views.delete_view(gone.id))
        seen = await collected(opened, after=0, until=lambda seen: State.FAILED in states(seen, kept.id))
        assert states(seen, kept.id) == [State.QUEUED, *WAY]
        assert State.FAILED not in states(seen, gone.id)

    core(work)


def test_a_listener_that_is_slow_reads_the_rest_from_sql(core):
    """Far more events than are kept for it come while it does not read: memory is bounded, and none is missing."""

    async def work(opened):
        worker = Worker(opened)
        job = worker.submit()
        seen = []
        async with (
            asyncio.timeout(120),
            follow(opened, OWNER, (), after=0) as followed,
            contextlib.aclosing(followed.updates()) as updates,
        ):
            async for update in updates:
                seen.append(update.number)
                if len(seen) == 2:  # its job, and the place
                    made = MOST_EVENTS + 20
                    quiet = Worker(opened, tells=False)
                    await asyncio.to_thread(lambda: [quiet.submit() for _ in range(made)])
                    worker.live.run(news.moved(job, worker.live.run_id))
                    await until(lambda: followed._listener._number >= made)
                    assert len(followed._listener._events) <= MOST_EVENTS
                if update.number == MOST_EVENTS + 21:
                    break
        assert seen == [1, *range(1, MOST_EVENTS + 22)]

    core(work)


def test_ids_are_checked_first(core):
    """Malformed, unknown, foreign, too old and too many ids are refused, as `status` says it."""

    async def work(opened):
        worker = Worker(opened)
        own, foreign = worker.submit(), worker.submit(tenant_id="ten_2")
        old = "cache_" + "0" * 32
        worker.submit(id=old, created_at=opened.clock() - 3700)
        for ids, expected in (
            ((own.id, "x"), BadId),
            (("",), BadId),
            ((own.id, new_job_id()), JobNotFound),
            ((foreign.id,), JobNotFound),
            ((old,), CacheExpired),
            (("cache_" + "1" * 32,), CacheExpired),
            ([new_job_id() for _ in range(MOST_JOBS + 1)], InvalidField),
        ):
            with pytest.raises(expected):
                async with follow(opened, OWNER, ids, after=None):
                    raise AssertionError
        assert opened.awaiting.is_idle

    core(work)
