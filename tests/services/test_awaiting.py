"""Waiting for jobs: told by Redis, found in SQL without it, and nothing left behind."""

import asyncio
import gc
import threading

import redis
from factories import make_job
from servers.event_loop import until
from sqlalchemy import event

from imgen.domain.job import OPEN, State
from imgen.domain.outcome import Outcome
from imgen.live import news
from imgen.live.executors import BlockingExecutor
from imgen.records import job_transitions, jobs
from imgen.services.awaiting import Awaiting

LONG_S = 60


def new_job(core, **changes):
    return core.database.attempt(jobs.add_now, make_job(**changes))


def end(core, job, *, tells=True):
    """Ends a job as another process would, with or without news of it."""
    ended = core.database.attempt(job_transitions.end, job, State.FAILED, Outcome(error="x"))
    if tells:
        live = BlockingExecutor(core.settings.redis_url)
        live.run(news.moved(ended, live.run_id))
        live.close()
    return ended


def awaiting_of(core, redis_url=None, **pauses):
    """A value of its own for the core, with other pauses."""
    return Awaiting(core.database, redis_url or core.settings.redis_url, **pauses)


async def waiting(core, tenant_id="ten_1"):
    """Returns once somebody waits for jobs of a tenant."""
    tenants = core.awaiting._tenants
    await until(lambda: tenant_id in tenants and tenants[tenant_id].awaited)


def test_an_end_is_told_at_once(core):
    """A waiter goes on with the news of the end, long before the next look into SQL; others wait on."""

    async def work(opened):
        opened.awaiting = awaiting_of(opened, look_every_s=1000)
        first, second = new_job(opened), new_job(opened)
        both = asyncio.create_task(opened.awaiting.ends("ten_1", [first.id, second.id], timeout_s=LONG_S))
        one = asyncio.create_task(opened.awaiting.ends("ten_1", [first.id], timeout_s=LONG_S))
        await waiting(opened)
        await asyncio.to_thread(end, opened, first)
        assert await one == {first.id}
        assert not both.done()
        await asyncio.to_thread(end, opened, second)
        assert await both == {first.id, second.id}
        assert opened.awaiting.is_idle

    core(work)


def test_an_end_before_the_wait_and_a_job_that_is_gone_are_no_wait(core):
    """Jobs that have ended, or are not there any more, are told without any news."""

    async def work(opened):
        ended = end(opened, new_job(opened), tells=False)
        told = await opened.awaiting.ends("ten_1", [ended.id, "run_gone"], timeout_s=LONG_S)
        assert told == {ended.id, "run_gone"}
        assert await opened.awaiting.ends("ten_1", [], timeout_s=LONG_S) == frozenset()

    core(work)


def test_the_time_limit_is_kept(core):
    """Jobs that are open at the end of the time are left out."""

    async def work(opened):
        still, ended = new_job(opened), end(opened, new_job(opened))
        assert await opened.awaiting.ends("ten_1", [still.id, ended.id], timeout_s=0.2) == {ended.id}
        assert opened.awaiting.is_idle

    core(work)


def test_lost_news_are_found_in_sql(core):
    """A process that died between its commit and the news keeps nobody waiting."""

    async def work(opened):
        opened.awaiting = awaiting_of(opened, look_every_s=0.1)
        job = new_job(opened)
        waiter = asyncio.create_task(opened.awaiting.ends("ten_1", [job.id], timeout_s=LONG_S))
        await waiting(opened)
        await asyncio.to_thread(end, opened, job, tells=False)
        assert await waiter == {job.id}

    core(work)


def test_without_redis_sql_is_looked_into_once_for_all(core, tmp_path):
    """Three hundred waiters for six hundred jobs cost two queries a look without Redis, and all of them are told."""

    async def work(opened):
        opened.awaiting = awaiting_of(opened, f"unix://{tmp_path / 'none.sock'}", look_alone_s=0.1)
        made = [new_job(opened) for _ in range(600)]
        waiters = [
            asyncio.create_task(opened.awaiting.ends("ten_1", [job.id for job in pair], timeout_s=LONG_S))
            for pair in zip(made[::2], made[1::2], strict=True)
        ]
        await waiting(opened)
        await until(lambda: len(opened.awaiting._tenants["ten_1"].awaited) == 600)
        asked = []
        listen_for = (opened.database.engine, "before_cursor_execute")
        event.listen(*listen_for, lambda _conn, _cursor, _text, given, *_: asked.append(len(given)))
        page, rest = 500 + len(OPEN), 100 + len(OPEN)
        await until(lambda: asked.count(rest) >= 2)  # the end of the look that was under way, and a whole one
        looks = [number for number in asked if number > 2 + len(OPEN)]
        first = looks.index(rest)
        assert looks[first + 1 : looks.index(rest, first + 1) + 1] == [page, rest]
        for job in made:
            end(opened, job, tells=False)
        told = await asyncio.gather(*waiters)
        assert {job_id for ids in told for job_id in ids} == {job.id for job in made}
        await opened.awaiting.close()

    core(work)


def test_cancelled_waiters_leave_nothing_behind(core):
    """A thousand waiters hold no thread and one connection; cancelled, they leave no task, no channel and no table."""

    async def work(opened):
        job = new_job(opened)
        before, threads = asyncio.all_tasks(), threading.active_count()
        waiters = [
            asyncio.create_task(opened.awaiting.ends(f"ten_{number % 10}", [job.id], timeout_s=LONG_S))
            for number in range(1000)
        ]
        await asyncio.sleep(0)
        for number in range(10):
            await waiting(opened, f"ten_{number}")
        assert threading.active_count() <= threads + 8  # the readers of the pool
        with redis.Redis.from_url(opened.settings.redis_url) as client:
            assert len([one for one in client.client_list() if int(one["sub"])]) == 1
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        assert opened.awaiting.is_idle
        await opened.awaiting.close()
        gc.collect()
        assert asyncio.all_tasks() == before

    core(work)
