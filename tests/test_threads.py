"""Pools of threads: a call has a time limit, and a pool that is held up refuses calls without holding up another."""

import asyncio
import re
import threading
import time
from pathlib import Path

import pytest

from imgen.domain.errors import Unavailable
from imgen.threads import MAX_WAITING, POOLS, Pool

IMGEN = Path(__file__).parents[1] / "imgen"


@pytest.fixture
def gate():
    """An event that held calls wait for; it is set at the end."""
    event = threading.Event()
    yield event
    event.set()


def test_a_call_returns_or_raises_in_a_thread_of_its_pool():
    """Result and error are the call's own, a time-out among them."""
    pool = Pool("own", threads=1, timeout_s=5)

    def fail():
        raise TimeoutError("the call's")

    async def main():
        assert (await pool.run(threading.current_thread)).name.startswith("own")
        with pytest.raises(TimeoutError, match="the call's"):
            await pool.run(fail)
        return await pool.run(divmod, 7, 2)

    assert asyncio.run(main()) == (3, 1)


def test_a_call_is_given_up_in_time(gate):
    """A caller waits no longer than the limit, also for a thread; a call that got none is never made."""
    pool, made = Pool("slow", threads=1, timeout_s=0.1), []

    async def main():
        started = time.monotonic()
        failed = await asyncio.gather(pool.run(gate.wait), pool.run(made.append, 1), return_exceptions=True)
        assert [type(one) for one in failed] == [Unavailable] * 2
        assert time.monotonic() - started < 10
        gate.set()
        await pool.run(int)

    asyncio.run(main())
    assert made == []


def test_a_stalled_pool_refuses_at_once(gate):
    """Once all threads are held for too long further calls fail without a wait; other pools and later calls work."""
    pool, other = Pool("stalled", threads=2, timeout_s=5, stalled_s=0.1), Pool("other", threads=1, timeout_s=5)

    async def main():
        held = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0.2)
        started = time.monotonic()
        for _ in range(100):
            with pytest.raises(Unavailable):
                await pool.run(int)
        assert await other.run(int) == 0
        assert time.monotonic() - started < 10
        gate.set()
        assert await asyncio.gather(*held) == [True, True]
        assert await pool.run(int) == 0

    asyncio.run(main())


def test_waiting_calls_are_bounded(gate):
    """A pool for long calls takes so many and no more."""
    pool = Pool("full", threads=1, timeout_s=5)

    async def main():
        held = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(MAX_WAITING + 1)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await pool.run(int)
        gate.set()
        await asyncio.gather(*held)

    asyncio.run(main())


def test_every_thread_belongs_to_a_pool():
    """No module of the API uses the loop's own threads, which all would share; each pool has a name of its own."""
    shared = re.compile(r"to_thread\(|run_in_threadpool|run_in_executor\(None")
    found = [path.name for path in IMGEN.rglob("*.py") if shared.search(path.read_text("utf-8"))]
    assert found == []
    assert len({pool.name for pool in POOLS}) == len(POOLS)
