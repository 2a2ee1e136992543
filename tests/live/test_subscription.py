"""Subscription of a process to channels of a real Redis, across its restarts; and the words of the news."""

import asyncio
import contextlib

import pytest
import redis
from factories import make_job
from servers.redis_server import RedisServer

from imgen.domain.job import State
from imgen.live import news
from imgen.live.executors import BlockingExecutor
from imgen.live.news import News
from imgen.live.subscription import Subscription


class Heard:
    """Messages and connections that a subscription told."""

    def __init__(self, url: str) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.connections = 0
        self.changed = asyncio.Event()
        self.subscription = Subscription(url, on_message=self._message, on_connect=self._connect)

    def _message(self, channel, message):
        self.messages.append((channel, message))
        self.changed.set()

    def _connect(self):
        self.connections += 1
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def heard(url):
    told = Heard(url)
    try:
        yield told
    finally:
        await told.subscription.close()


def publish(url, channel, message):
    with redis.Redis.from_url(url) as client:
        return client.publish(channel, message)


def test_messages_of_the_channels_come_over_one_connection(clean_redis):
    """A hundred channels cost one connection; once `subscribe` returns, nothing is missed; a removed channel is silent."""

    async def main():
        async with heard(clean_redis) as told:
            before = publish(clean_redis, "c0", b"nobody hears")
            await asyncio.gather(*(told.subscription.subscribe(f"c{number}") for number in range(100)))
            with redis.Redis.from_url(clean_redis) as client:
                (link,) = [one for one in client.client_list() if int(one["sub"])]
                assert int(link["sub"]) == 100
            reached = [publish(clean_redis, f"c{number}", b"x") for number in (0, 99)]
            await told.until(lambda: len(told.messages) == 2)
            told.subscription.unsubscribe("c0")
            await told.subscription.subscribe("last")  # confirmed after the removal
            return before, reached, publish(clean_redis, "c0", b"x"), told.messages, told.connections

    before, reached, after, messages, connections = asyncio.run(main())
    assert (before, reached, after, connections) == (0, [1, 1], 0, 1)
    assert messages == [("c0", b"x"), ("c99", b"x")]


def test_a_lost_connection_is_opened_again_with_its_channels(tmp_path):
    """After a crash of Redis messages come again, and whoever waits is told that some may be missing."""
    server = RedisServer(tmp_path)
    server.start()

    async def main():
        async with heard(server.url) as told:
            await told.subscription.subscribe("c")
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await told.until(lambda: told.connections == 2)
            await told.subscription.subscribe("c")  # returns once it is confirmed anew
            await asyncio.to_thread(publish, server.url, "c", b"again")
            await told.until(lambda: told.messages)
            return told.messages

    try:
        assert asyncio.run(main()) == [("c", b"again")]
    finally:
        server.kill()


def test_without_redis_nobody_waits_long(tmp_path):
    """`subscribe` comes back where no Redis answers, and the subscription is not connected."""

    async def main():
        async with heard(f"unix://{tmp_path / 'none.sock'}") as told:
            async with asyncio.timeout(30):
                for number in range(50):
                    await told.subscription.subscribe(f"c{number}")
            return told.subscription.is_connected

    assert not asyncio.run(main())


@pytest.mark.parametrize(
    ("state", "expected"), [(State.RENDERING, News("{id}")), (State.BLOCKED, News("{id}", has_ended=True))]
)
def test_a_move_sets_the_view_and_is_told(clean_redis, state, expected):
    """The message about a job is parsed to the same, and its view is there before."""
    job = make_job(state=state, fence=1)

    async def main():
        async with heard(clean_redis) as told:
            await told.subscription.subscribe(news.channel(job.tenant_id))
            live = BlockingExecutor(clean_redis)
            await asyncio.to_thread(lambda: live.run(news.moved(job, live.run_id)))
            await told.until(lambda: told.messages)
            live.close()
            return told.messages

    ((channel, message),) = asyncio.run(main())
    assert channel == news.CHANNELS + job.tenant_id
    assert news.parse(message) == expected._replace(job_id=job.id)
    with redis.Redis.from_url(clean_redis) as client:
        assert [key for key in client.keys("imgen:*") if job.id.encode() in key]


def test_progress_is_parsed_and_nonsense_is_not():
    """Share and claim are told; words of nobody are nothing."""
    job = make_job(fence=3)
    assert news.parse(news.progressed(job, 0.35)[2]) == News(job.id, progress=0.35, fence=3)
    for message in (
        b"",
        b"moved",
        b"progress run_x",
        b"progress run_x a b",
        b"later run_x",
        b"\xff\xfe",
        b"moved \xff",
    ):
        assert news.parse(message) is None
