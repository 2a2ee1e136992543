"""Dispatcher: claims due deliveries and tries many at once, within limits for each receiver and tenant. Any number may run.

It asks SQL each second, and again as soon as a try ends: without Redis nothing is missing.
"""

import asyncio
import contextlib
from collections import Counter

import structlog

from imgen.domain.errors import ImgenError
from imgen.domain.webhook import Delivery
from imgen.records import webhook_outbox
from imgen.records.webhook_outbox import Load
from imgen.services.core import Core
from imgen.services.webhooks.delivery import Sender

log = structlog.get_logger(__name__)

POLL_S = 1.0
MOST, MOST_OF_TENANT, MOST_OF_TARGET = 64, 16, 4
"""Tries at once: in all, of one tenant, of one receiver. A receiver that hangs holds four of them for their time limit."""
LEASE_MARGIN_S = 15
"""Time of a claim beyond the time limit of its try, for the database before and after it."""


class Dispatcher:
    """Dispatcher of one process."""

    def __init__(self, core: Core, sender: Sender) -> None:
        self._core = core
        self._sender = sender
        self._running: dict[asyncio.Task[None], Delivery] = {}
        self._wake = asyncio.Event()
        self._is_stopping = False

    async def run(self) -> None:
        """Runs until `stop`; tries under way then end within their time limits."""
        while not self._is_stopping:
            self._wake.clear()
            if not await self._claimed():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()
        if self._running:
            await asyncio.wait(self._running)

    def stop(self) -> None:
        """Lets `run` claim nothing more."""
        self._is_stopping = True
        self._wake.set()

    async def round(self) -> int:
        """Claims what is due and starts its tries; returns their number."""
        load = self._load()
        if not load.room or not await self._core.database.reading(webhook_outbox.has_due, load):
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

    def _load(self) -> Load:
        return Load(
            most=MOST,
            most_of_tenant=MOST_OF_TENANT,
            most_of_target=MOST_OF_TARGET,
            tenants=Counter(one.tenant_id for one in self._running.values()),
            targets=Counter(one.target for one in self._running.values()),
            paused=self._sender.throttle.paused(self._core.clock()),
        )
