"""Polls of one job while Redis loses its newest data, hangs or holds garbage: none goes backward, in any API process."""

import asyncio
import contextlib

import pytest
from servers.local import prepare
from servers.redis_server import start_redis
from services.two_processes import Site, counted_reads

from imgen.domain.errors import Unavailable
from imgen.domain.job import State, view_of
from imgen.live import job_views
from imgen.records import job_transitions
from imgen.services import jobs as job_service


@pytest.fixture
def server(tmp_path):
    """A Redis with a log, which a test may cut back."""
    with start_redis(tmp_path, is_logged=True) as started:
        yield started


@pytest.fixture
def site(tmp_path, server, caller):
    """Runs a coroutine function with a `Site` over an own database and Redis."""

    def run(work):
        settings = prepare(tmp_path / "var", server.url)

        async def main():
            opened = Site(server, settings, caller)
            try:
                await work(opened)
            finally:
                await opened.close()

        asyncio.run(main())

    return run


def test_an_end_that_redis_lost_stays_an_end(site):
    """Redis is killed and comes back with the open view of a job whose end was told: each process still tells the end."""

    async def work(opened):
        job_id = await opened.submit()
        job = opened.claim(job_id)
        assert await opened.states(job_id) == [State.RENDERING] * 2
        opened.server.keep_log()
        opened.end(job)
        assert await opened.states(job_id) == [State.FAILED] * 2
        opened.server.crash_back()
        with opened.server.client() as client:
            assert any(job_id.encode() in key and b"open" in key for key in client.scan_iter())
        assert await opened.states(job_id) == [State.FAILED] * 2
        await opened.restart_api()
        assert await opened.states(job_id) == [State.FAILED] * 2

    site(work)


def test_a_claim_that_redis_lost_is_not_undone(site):
    """Redis comes back with the view of the waiting job: nobody is told that it waits again."""

    async def work(opened):
        job_id = await opened.submit()
        assert await opened.states(job_id) == [State.QUEUED] * 2
        opened.server.keep_log()
        opened.claim(job_id)
        assert await opened.states(job_id) == [State.RENDERING] * 2
        opened.server.crash_back()
        assert await opened.states(job_id) == [State.RENDERING] * 2

    site(work)


def test_after_a_restart_each_job_costs_one_read(site):
    """The first poll after a restart of Redis reads SQL and caches the view; those after it, in any process, do not."""

    async def work(opened):
        job_id = await opened.submit()
        opened.claim(job_id)
        await opened.states(job_id)
        opened.server.keep_log()
        opened.server.crash_back()
        await opened.states(job_id)
        with counted_reads(opened.cores[0]) as first, counted_reads(opened.cores[1]) as second:
            for _ in range(5):
                assert await opened.states(job_id) == [State.RENDERING] * 2
        assert (first, second) == ([], [])

    site(work)


def test_progress_that_redis_lost_is_left_out(site):
    """After a restart progress is unknown until the worker reports again; it is never less than it was."""

    async def work(opened):
        job_id = await opened.submit()
        job = opened.claim(job_id)
        assert await opened.progress(job_id) == [0.0, 0.0]
        opened.live.run(job_views.set_progress(job_id, 0.5, fence=job.fence))
        assert await opened.progress(job_id) == [0.45, 0.45]
        opened.server.keep_log()
        opened.live.run(job_views.set_progress(job_id, 0.75, fence=job.fence))
        assert await opened.progress(job_id) == [0.675, 0.675]
        opened.server.crash_back()
        assert await opened.progress(job_id) == [None, None]
        opened.live.run(job_views.set_progress(job_id, 0.8, fence=job.fence))
        opened.live.run(job_views.set_progress(job_id, 0.8, fence=job.fence))  # the first found the connection closed
        assert await opened.progress(job_id) == [0.72, 0.72]

    site(work)


def test_a_job_put_back_is_still_under_way(site):
    """A job whose worker died waits for the next: its owner is not told that it is back in the queue, in no answer."""

    async def work(opened):
        job_id = await opened.submit()
        job = opened.claim(job_id)
        run_id = opened.live.run_id
        back = opened.database.attempt(job_transitions.put_back, job)
        assert back.state is State.QUEUED
        opened.live.run(job_views.set_view(job_id, view_of(back), run_id))
        assert await opened.states(job_id) == [State.RENDERING] * 2
        with opened.server.client() as client:
            client.flushall()
        assert await opened.states(job_id) == [State.RENDERING] * 2

    site(work)


def test_an_end_read_while_redis_hung_stays_an_end(site):
    """Redis hangs, the end is read from SQL, and Redis goes on with the open view that it had: the end is told."""

    async def work(opened):
        job_id = await opened.submit()
        job = opened.claim(job_id)
        assert await opened.states(job_id) == [State.RENDERING] * 2
        async with opened.hung():
            opened.end(job, tell=False)
            assert await opened.states(job_id) == [State.FAILED] * 2
        for _ in range(3):
            assert await opened.states(job_id) == [State.FAILED] * 2

    site(work)


def test_a_state_read_from_sql_is_told_by_all(site):
    """A worker dies between its commit and its news, and one process reads SQL: no other tells the view from before."""

    async def work(opened):
        job_id = await opened.submit()
        opened.claim(job_id)
        opened.database.attempt(job_transitions.hand_on, opened.job(job_id), queue="finish", master_key="m", timings={})
        async with opened.hung():
            with contextlib.suppress(Unavailable):
                await opened.cores[0].live.run(job_views.get_view(job_id))
        assert await opened.states(job_id) == [State.RENDERED] * 2
        assert await opened.progress(job_id) == [0.9] * 2

    site(work)


def test_an_end_in_a_list_is_an_end_in_a_poll(site):
    """A worker that died between its commit and its news: once `jobs` has told the end, no poll tells less."""

    async def work(opened):
        job_id = await opened.submit()
        opened.end(opened.claim(job_id), tell=False)
        page = await job_service.list_jobs(opened.cores[0], opened.caller, limit=9, cursor="", states=frozenset())
        assert [job.state for job in page.jobs] == [State.FAILED]
        assert await opened.states(job_id) == [State.FAILED] * 2

    site(work)


@pytest.mark.parametrize("garbage", [b"", b"{", b'{"tenant_id":"ten_1","state":"upscaling","model":"eros"}', b"\xff"])
def test_a_view_of_another_version_harms_no_poll(site, garbage):
    """Polls in one batch with a view that cannot be decoded are all answered, at once; the view is replaced."""

    async def work(opened):
        ids = [await opened.submit() for _ in range(36)]
        with opened.server.client() as client:
            for key in client.scan_iter(f"*open*{ids[7]}*"):
                client.set(key, garbage)
        async with asyncio.timeout(5):
            polled = await asyncio.gather(*(opened.states(job_id) for job_id in ids))
        assert {state for states in polled for state in states} == {State.QUEUED}
        with counted_reads(opened.cores[0]) as statements:
            await opened.states(ids[7])
        assert statements == []

    site(work)


def test_anything_in_redis_leaves_polls_and_submits_alive(site):
    """Every key holds a value of another type: polls are answered from SQL, and a submit is taken or refused in the known ways."""

    async def work(opened):
        job_id = await opened.submit()
        with opened.server.client() as client:
            for key in [*client.scan_iter()]:
                kind = client.type(key)
                client.delete(key)
                client.rpush(key, "x") if kind != b"list" else client.set(key, "x")
        async with asyncio.timeout(5):
            assert await opened.states(job_id) == [State.QUEUED] * 2
            with contextlib.suppress(Unavailable):
                await opened.submit()

    site(work)
