"""Messages of requests: those that come while a call is under way go together, and a refusal is told to its callers alone."""

import asyncio
import threading

import pytest

from imgen.domain.errors import Unavailable
from imgen.services.publishing import Message, MessageSender


class Broker:
    """Publisher whose calls are held up until `gate` is set, and which refuses some jobs."""

    def __init__(self):
        self.gate = threading.Event()
        self.sent = []
        self.threads = []
        self.refused = set()

    def publish(self, queue, job_id, priority):
        self.gate.wait(20)
        if job_id in self.refused:
            raise Unavailable
        self.threads.append(threading.get_ident())
        self.sent.append(Message(queue, job_id, priority))


def message(name):
    return Message("render.a", name, 3)


@pytest.fixture
def broker():
    return Broker()


def test_messages_that_wait_go_in_one_call(broker):
    """Messages of several callers are sent in their order, each once, those that waited in one call."""

    async def run():
        sender = MessageSender(broker)
        calls = [asyncio.create_task(sender.send([message(f"job{number}")])) for number in range(20)]
        await asyncio.sleep(0)
        broker.gate.set()
        await asyncio.gather(*calls)

    asyncio.run(run())
    assert broker.sent == [message(f"job{number}") for number in range(20)]


def test_a_refusal_is_told_to_those_not_served(broker):
    """Callers before the refused message are served; it and the later ones are told, and the next call works again."""
    broker.refused = {"job1"}
    broker.gate.set()

    async def run():
        sender = MessageSender(broker)
        calls = [sender.send([message(f"job{number}")]) for number in range(3)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        broker.refused = set()
        await sender.send([message("job3")])
        return results

    results = asyncio.run(run())
    assert [type(result) for result in results] == [type(None), Unavailable, Unavailable]
    assert broker.sent == [message("job0"), message("job3")]


def test_a_caller_that_goes_disturbs_no_other(broker):
    """A caller that is cancelled while its message waits leaves the others' results as they are."""

    async def run():
        sender = MessageSender(broker)
        gone, stays = (asyncio.create_task(sender.send([message(name)])) for name in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        broker.gate.set()
        await stays
        assert gone.cancelled()

    asyncio.run(run())
    assert message("stays") in broker.sent
