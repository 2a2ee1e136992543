"""Both executors against a real Redis, and against none."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time

import pytest
import redis

from imgen.domain.errors import Unavailable
from imgen.live.command import Command, first, ignore
from imgen.live.executors import CONNECTIONS, BlockingExecutor, PipeliningExecutor
from imgen.stack.redis import find_server


def get(name):
    return Command((("GET", name),), first)


def put(name, value):
    return Command((("SET", name, value),), ignore)


def commands_processed(url):
    with redis.Redis.from_url(url) as client:
        return client.info("stats")["total_commands_processed"], client.info("clients")["connected_clients"]


def test_every_operation_of_a_turn_gets_its_own_answer(clean_redis):
    """A thousand operations started in one turn come back with their own values, over at most two connections."""

    async def main():
        _, before = await asyncio.to_thread(commands_processed, clean_redis)
        live = PipeliningExecutor(clean_redis)
        await asyncio.gather(*(live.run(put(f"k{n}", n)) for n in range(1000)))
        found = await asyncio.gather(*(live.run(get(f"k{n}")) for n in range(1000)))
        _, clients = await asyncio.to_thread(commands_processed, clean_redis)
        await live.close()
        return found, clients - before

    found, more = asyncio.run(main())
    assert found == [str(n).encode() for n in range(1000)]
    assert more <= CONNECTIONS


def test_operations_of_one_turn_share_one_write(clean_redis):
    """Redis reads the commands of a turn together: a connection that counts reads sees one, not one hundred."""

    async def main():
        live = PipeliningExecutor(clean_redis)
        await live.run(put("warm", 1))
        with redis.Redis.from_url(clean_redis) as client:
            before = client.info("stats")["total_reads_processed"]
            await asyncio.gather(*(live.run(get("warm")) for _ in range(100)))
            after = client.info("stats")["total_reads_processed"]
        await live.close()
        return after - before

    assert asyncio.run(main()) <= 3


def test_a_refused_command_fails_alone(clean_redis):
    """An error reply reaches the operation that caused it and no other of the same batch."""

    async def main():
        live = PipeliningExecutor(clean_redis)
        answers = await asyncio.gather(
            live.run(put("a", "text")),
            live.run(Command((("INCR", "a"),), first)),
            live.run(get("a")),
            return_exceptions=True,
        )
        await live.close()
        return answers

    stored, refused, read = asyncio.run(main())
    assert stored is None
    assert isinstance(refused, Unavailable)
    assert read == b"text"


def test_both_executors_decode_the_same_replies(clean_redis):
    """An operation means the same in the API and in a worker."""
    op = Command(
        (
            ("SET", "x", 5),
            ("INCR", "x"),
            ("MGET", "x", "none"),
            ("EXISTS", "x"),
            ("ZADD", "z", 1, "m"),
            ("ZRANK", "z", "m"),
            ("ZRANK", "z", "q"),
        ),
        list,
    )

    async def main():
        live = PipeliningExecutor(clean_redis)
        found = await live.run(op)
        await live.close()
        return found

    in_api = asyncio.run(main())
    with redis.Redis.from_url(clean_redis) as client:
        client.flushall()
    plain = BlockingExecutor(clean_redis)
    assert plain.run(op) == in_api
    plain.close()


@pytest.fixture
def own_redis(tmp_path):
    """A Redis that a test may kill: (url, start, stop)."""
    socket = tmp_path / "r.sock"
    running = []

    def start():
        command = [find_server(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--loglevel", "warning"]
        running.append(subprocess.Popen(command))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with redis.Redis.from_url(f"unix://{socket}") as client:
                    client.ping()
                    return running[-1]
            except redis.RedisError:
                time.sleep(0.02)
        raise AssertionError("redis did not start")

    yield f"unix://{socket}?db=0", start
    for process in running:
        process.kill()
        process.wait()


def test_a_dead_redis_fails_fast_and_a_new_one_is_found(own_redis):
    """With Redis killed operations fail without a wait; once it is back they work again."""
    url, start = own_redis
    process = start()

    async def main():
        live = PipeliningExecutor(url)
        await live.run(put("a", 1))
        process.kill()
        process.wait()
        started = time.monotonic()
        for _ in range(50):
            with pytest.raises(Unavailable):
                await live.run(get("a"))
        failed_in_s = time.monotonic() - started
        await asyncio.to_thread(start)
        await asyncio.sleep(0.6)
        await live.run(put("a", 2))
        found = await live.run(get("a"))
        await live.close()
        return failed_in_s, found

    failed_in_s, found = asyncio.run(main())
    assert failed_in_s < 10
    assert found == b"2"


def test_a_restart_between_two_operations_goes_unnoticed(own_redis):
    """A connection that died while idle is replaced without an error."""
    url, start = own_redis
    process = start()

    async def main():
        live = PipeliningExecutor(url)
        await live.run(put("a", 1))
        process.kill()
        process.wait()
        await asyncio.to_thread(start)
        await live.run(put("a", 3))
        found = await live.run(get("a"))
        await live.close()
        return found

    assert asyncio.run(main()) == b"3"


def test_a_hung_redis_times_out(own_redis):
    """A server that stops answering costs the time limit once, then operations fail at once for a while."""
    url, start = own_redis
    process = start()

    async def main():
        live = PipeliningExecutor(url, timeout_s=1)
        await live.run(put("a", 1))
        os.kill(process.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await live.run(get("a"))
        first_s = time.monotonic() - started
        with pytest.raises(Unavailable):
            await live.run(get("a"))
        second_s = time.monotonic() - started - first_s
        os.kill(process.pid, signal.SIGCONT)
        await live.close()
        return first_s, second_s

    first_s, second_s = asyncio.run(main())
    assert 0.9 < first_s < 3
    assert second_s < 0.5


def broken(_replies):
    raise RecursionError("as by JSON of another version")


def test_what_cannot_be_decoded_fails_alone(clean_redis):
    """A decoder that fails, and a text that cannot be sent, fail their own operations; the rest of the batch is answered."""

    async def main():
        live = PipeliningExecutor(clean_redis)
        async with asyncio.timeout(3):
            answers = await asyncio.gather(
                live.run(put("a", 1)),
                live.run(Command((("GET", "a"),), broken)),
                live.run(get("half a pair \ud800")),
                live.run(Command((("GET", "a"),), lambda replies: replies[7])),
                live.run(get("a")),
                return_exceptions=True,
            )
            assert await live.run(get("a")) == b"1"
            with pytest.raises(Unavailable):
                await live.run(get("alone \ud800"))
        await live.close()
        return answers

    stored, *failed, read = asyncio.run(main())
    assert (stored, read) == (None, b"1")
    assert [type(one) for one in failed] == [Unavailable] * 3
    worker = BlockingExecutor(clean_redis)
    for command in (Command((("GET", "a"),), broken), get("half a pair \ud800")):
        with pytest.raises(Unavailable):
            worker.run(command)
    assert worker.run(get("a")) == b"1"
    worker.close()


def test_both_executors_know_the_servers_run(own_redis):
    """The run id is another one after a restart, and calls that need it get that of the server that they reach."""
    url, start = own_redis
    named = Command(lambda run_id: (("ECHO", run_id),), first)

    async def main():
        process, live, worker = start(), PipeliningExecutor(url), BlockingExecutor(url)
        seen = []
        for _ in range(2):
            seen.append((await live.run(named), worker.run(named)))
            assert {live.run_id.encode(), worker.run_id.encode()} == set(seen[-1])
            process.kill()
            process.wait()
            process = start()
            with contextlib.suppress(Unavailable):
                worker.run(get("a"))  # finds its connection closed
        await live.close()
        worker.close()
        return seen

    (one, same), (other, same_other) = asyncio.run(main())
    assert (one, other) == (same, same_other)
    assert one != other
