"""Publishing of messages to the broker: those that come while a call is under way are sent together in the next."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from imgen.domain.errors import Unavailable
from imgen.live.queue import Publisher
from imgen.threads import BROKER

STALLED_S = 1.0
"""Age of a call at which further messages are refused at once: the reconciler sends them."""


class Message(NamedTuple):
    """Message that one job waits in a queue."""

    queue: str
    job_id: str
    priority: int


class MessageSender:
    """Sender of messages, for one event loop. A call takes a thread and a quarter of a millisecond a message."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: list[tuple[Sequence[Message], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._begun_at = 0.0

    async def send(self, messages: Sequence[Message]) -> None:
        """Sends messages.

        Raises:
            Unavailable: the broker refused one of them, or does not answer in time; some may have been sent.
        """
        loop = asyncio.get_running_loop()
        if self._task is not None and loop.time() - self._begun_at > STALLED_S:
            raise Unavailable
        future = loop.create_future()
        self._waiting.append((messages, future))
        if self._task is None:
            self._begun_at = loop.time()
            self._task = loop.create_task(self._send_waiting())
        await future

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting, sent = self._waiting, [], 0
                self._begun_at = asyncio.get_running_loop().time()
                try:
                    with contextlib.suppress(Unavailable):
                        sent = await BROKER.run(self._publish, [messages for messages, _ in batch])
                finally:  # nobody waits for ever
                    for place, (_, future) in enumerate(batch):
                        _settle(future, is_sent=place < sent)
        finally:
            self._task = None

    def _publish(self, batch: Sequence[Sequence[Message]]) -> int:
        """Publishes messages up to the first refusal, which would meet the others as well. Returns the callers served."""
        for served, messages in enumerate(batch):
            try:
                for message in messages:
                    self._publisher.publish(*message)
            except Unavailable:
                return served
        return len(batch)


def _settle(future: "asyncio.Future[None]", *, is_sent: bool) -> None:
    if future.done():  # its caller has gone
        return
    if is_sent:
        future.set_result(None)
    else:
        future.set_exception(Unavailable())
