"""Dispatcher: claims due deliveries and tries many at once, within limits for each receiver and tenant. Any number may run.

Redis tells it of ends of jobs, and it knows when the next try is due; a slow look into SQL finds what was not told.
"""

import asyncio
import contextlib
import math
from collections import Counter

import structlog

from imgen.domain.errors import ImgenError
from imgen.domain.webhook import Delivery
from imgen.live import news
from imgen.live.subscription import Subscription
from imgen.records import webhook_outbox
from imgen.records.webhook_outbox import Load
from imgen.services.core import Core
from imgen.services.webhooks.delivery import Sender

log = structlog.get_logger(__name__)

LOOK_EVERY_S, LOOK_ALONE_S = 5.0, 1.0
"""Longest pauses between two looks into SQL: while Redis brings the news, and without it."""
SHORTEST_PAUSE_S = 0.05
"""Pause after a look at something due that another dispatcher then took."""
MOST, MOST_OF_TENANT, MOST_OF_TARGET = 64, 16, 4
"""Tries at once: in all, of one tenant, of one receiver. A receiver that hangs holds four of them for their time limit."""
LEASE_MARGIN_S = 15
"""Time of a claim beyond the time limit of its try, for the database before and after it."""


class Dispatcher:
    """Dispatcher of one process."""

    def __init__(self, core: Core, sender: Sender, *, look_every_s: float = LOOK_EVERY_S) -> None:
        """Takes the longest pause between two looks into SQL while Redis brings the news."""
        self._core = core
        self._sender = sender
        self._running: dict[asyncio.Task[None], Delivery] = {}
        self._wake = asyncio.Event()
        self._look_every_s = look_every_s
        self._due_in_s = math.inf
        """Time until the next try is due, as of the latest look."""
        self._is_stopping = False

    async def run(self) -> None:
        """Runs until `stop`; tries under way then end within their time limits."""
        told = Subscription(
            self._core.settings.redis_url, on_message=lambda *_: self._wake.set(), on_connect=self._wake.set
        )
        try:
            await told.subscribe(news.DUE)
            while not self._is_stopping:
                self._wake.clear()
                if not await self._claimed():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._pause_s(is_told=told.is_connected)):
                            await self._wake.wait()
            if self._running:
                await asyncio.wait(self._running)
        finally:
            await told.close()

    def stop(self) -> None:
        """Lets `run` claim nothing more."""
        self._is_stopping = True
        self._wake.set()

    async def round(self) -> int:
        """Claims what is due and starts its tries; returns their number."""
        self._due_in_s, load = math.inf, self._load()
        due_in_s = await self._core.database.reading(webhook_outbox.due_in_s, load) if load.room else None
        if due_in_s is None:
            return 0
        self._due_in_s = due_in_s
        if due_in_s:
            return 0
        lease_s = self._core.settings.webhooks.timeout_s + LEASE_MARGIN_S
        claimed = await self._core.database.writing(webhook_outbox.claim, load, lease_s=lease_s)
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery))
            self._running[task] = delivery
            task.add_done_callback(self._forget)
        return len(claimed)

    async def _claimed(self) -> bool:
        try:
            return bool(await self.round())
        except ImgenError as exc:
            log.warning("webhooks: a round failed", reason=str(exc))
        except Exception:  # an unforeseen error must not end the dispatcher
            log.exception("webhooks: a round failed unexpectedly")
        return False

    async def _deliver(self, delivery: Delivery) -> None:
        """Makes one try; a delivery whose try fails unforeseen is claimed again when its claim runs out."""
        try:
            await self._sender.deliver(delivery)
        except ImgenError as exc:
            log.warning("webhook: a try could not be made", delivery=delivery.id, reason=str(exc))
        except Exception:
            log.exception("webhook: a try failed unexpectedly", delivery=delivery.id)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.set()

    def _pause_s(self, *, is_told: bool) -> float:
        """Returns the longest time until the next look: not beyond the next try, nor the end of a receiver's pause."""
        now = self._core.clock()
        due_in_s = min((self._due_in_s, *(until - now for until in self._sender.throttle.paused(now).values())))
        longest = self._look_every_s if is_told else LOOK_ALONE_S
        return min(longest, max(SHORTEST_PAUSE_S, due_in_s))

    def _load(self) -> Load:
        return Load(
            most=MOST,
            most_of_tenant=MOST_OF_TENANT,
            most_of_target=MOST_OF_TARGET,
            tenants=Counter(one.tenant_id for one in self._running.values()),
            targets=Counter(one.target for one in self._running.values()),
            paused=self._sender.throttle.paused(self._core.clock()),
        )
