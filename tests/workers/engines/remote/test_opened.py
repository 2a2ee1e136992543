"""Pauses of an engine in one process: their length, their end, and the one call that tries it before others."""

import asyncio
import datetime as dt
import email.utils

import pytest

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import RemoteEngineAway, RemoteEngineBusy, RemoteEngineFailed, RemoteKeyRefused
from imgen.domain.recipe import Diffusion
from imgen.domain.remote_engine import parse_remote_engine
from workers.engines import Shot
from workers.engines.remote.call import CallUnderWay
from workers.engines.remote.calls import TrialCalls
from workers.engines.remote.http import MAX_PAUSE_S, retry_after_s
from workers.engines.remote.opened import FAILURES, OpenedEngine


class Clock:
    """Seconds, as a test sets them."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(clock):
    remote = parse_remote_engine("cloud", {"kind": "openai", "pause_s": 20, "connect_timeout_s": 5})
    return OpenedEngine(remote, client=None, clock=clock)


async def is_let_through(opened, *, is_new=True):
    try:
        async with opened.slot(is_new=is_new):
            return True
    except RemoteEngineAway:
        return False


def test_after_a_pause_one_call_tries_the_engine(opened, clock):
    """However long it takes; the others follow once it has succeeded."""

    async def work():
        opened.is_away(RemoteEngineAway("down"))
        assert not await is_let_through(opened)
        clock.now += 20
        async with opened.slot():
            assert not await is_let_through(opened)
            clock.now += 3600
            assert not await is_let_through(opened)
            opened.succeeded()
            assert await is_let_through(opened)
        assert await is_let_through(opened)

    asyncio.run(work())


def test_the_next_call_begins_when_the_engine_has_answered(clock):
    """Work on the answer takes no place of its calls; nor does a call end twice."""

    async def work():
        opened = OpenedEngine(parse_remote_engine("cloud", {"kind": "openai", "calls": 1}), client=None, clock=clock)
        async with opened.slot() as answered:
            waiting = asyncio.create_task(is_let_through(opened))
            await asyncio.sleep(0)
            assert not waiting.done()
            answered()
            assert await waiting
        async with opened.slot():
            waiting = asyncio.create_task(is_let_through(opened))
            await asyncio.sleep(0)
            assert not waiting.done()
        assert await waiting

    asyncio.run(work())


def test_an_answer_to_the_call_after_a_pause_lets_no_other_through(opened, clock):
    """It may be no picture; the engine is back once there is one."""

    async def work():
        opened.is_away(RemoteEngineAway("down"))
        clock.now += 20
        async with opened.slot() as answered:
            answered()
            assert not await is_let_through(opened)
            opened.succeeded()
            assert await is_let_through(opened)

    asyncio.run(work())


def test_a_try_that_ended_without_an_answer_is_followed_by_another(opened, clock):
    """Such as that of a job that was stopped, or that met the cap; again only one at a time."""

    async def work():
        opened.is_away(RemoteEngineAway("down"))
        clock.now += 20
        assert await is_let_through(opened)
        async with opened.slot():
            assert not await is_let_through(opened)

    asyncio.run(work())


@pytest.mark.parametrize("has_failed", [False, True])
def test_an_engine_that_takes_work_is_no_more_down(opened, clock, has_failed):
    """One that failed several times in a row has to give a picture first."""

    async def work():
        for _ in range(FAILURES if has_failed else 0):
            opened.failed(RemoteEngineFailed("500"))
        opened.is_away(RemoteEngineAway("down"))
        clock.now += 20
        async with opened.slot():
            opened.took_work()
            assert await is_let_through(opened) is not has_failed

    asyncio.run(work())


def test_a_pause_that_an_engine_asked_for_is_kept(opened, clock):
    """Pictures of calls from before do not end it, nor does a shorter pause; after it all are let through at once."""

    async def work():
        opened.is_away(RemoteEngineBusy("busy", retry_after_s=300))
        opened.is_away(RemoteEngineAway("down"))
        opened.succeeded()
        clock.now += 299
        assert not await is_let_through(opened)
        assert opened.state.reason == "busy"
        clock.now += 1
        async with opened.slot():
            assert await is_let_through(opened)
            opened.succeeded()
        assert opened.state.reason == ""

    asyncio.run(work())


@pytest.mark.parametrize("error", [RemoteEngineAway("down"), RemoteKeyRefused("no")])
def test_a_picture_ends_the_pause_of_an_engine_that_was_down(opened, error):
    """It answers after all."""

    async def work():
        opened.is_away(error)
        opened.succeeded()
        assert await is_let_through(opened)

    asyncio.run(work())


def test_work_that_the_engine_has_is_asked_for_also_during_a_pause(opened):
    """It is paid already, and nothing new is asked."""

    async def work():
        opened.is_away(RemoteEngineBusy("busy", retry_after_s=300))
        assert await is_let_through(opened, is_new=False)
        assert not await is_let_through(opened)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("value", "pause_s"),
    [
        ("0", 0),
        ("90", 90),
        ("9" * 400, MAX_PAUSE_S),
        ("Fri, 27 Nov 1998 12:00:00 GMT", 0),
        ("Fri, 27 Nov 2099 12:00:00 GMT", MAX_PAUSE_S),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_PAUSE_S),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        *((value, None) for value in ("", "-5", "1.5", "soon", "٣", "Fri, 31 Dec 99999 23:59:59 GMT")),
        *((f"Fri, 31 Dec 2027 23:59:59 -{'9' * digits}", None) for digits in (6, 10, 400)),
    ],
)
def test_a_pause_is_seconds_or_a_date(value, pause_s):
    """An hour at most; what is neither names none."""
    assert retry_after_s({"retry-after": value}) == pause_s


def test_a_date_is_a_pause_up_to_it():
    """To the second."""
    in_half_an_hour = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1800)
    assert retry_after_s({"retry-after": email.utils.format_datetime(in_half_an_hour, usegmt=True)}) in range(
        1700, 1801
    )


class SlowBook(TrialCalls):
    """Book that takes its time to open a call."""

    def __init__(self):
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.ended = []

    async def open(self, engine, price_micros):
        self.asked.set()
        await self.go.wait()
        return await super().open(engine, price_micros)

    async def end(self, call, *, is_paid):
        self.ended.append((call.price_micros, is_paid))


def test_a_job_that_is_stopped_while_its_call_is_booked_costs_nothing(opened):
    """The booking is in the database already; nothing was asked."""
    diffusion = Diffusion(
        positive="a", negative="", width=64, height=64, seed=7, num_inference_steps=4, guidance_scale=3.5
    )

    async def work():
        book, begun = SlowBook(), []
        call = CallUnderWay(
            opened=opened,
            choice=EngineChoice(engine="cloud", price=0.25),
            shot=Shot(diffusion=diffusion),
            calls=book,
            progress=lambda *_: None,
            begun=lambda: begun.append(True),
            bind=lambda: None,
            answered=lambda: None,
            is_left=lambda: False,
        )
        task = asyncio.create_task(call.begin())
        await book.asked.wait()
        task.cancel()
        await asyncio.sleep(0)
        book.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (book.ended, begun) == ([(250_000, False)], [])

    asyncio.run(work())
