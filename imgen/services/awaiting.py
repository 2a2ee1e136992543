"""Waiting for jobs in one API process: for their ends, or for everything that happens to them, however many wait.

Redis brings the news; a slow look into SQL finds what it lost, with one query for all that wait. Nobody holds a thread or a
connection while waiting, and a waiter that is cancelled leaves nothing behind.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from imgen.domain.errors import ImgenError, Retryable
from imgen.live import news
from imgen.live.subscription import Subscription
from imgen.records import job_events, retention
from imgen.records.database import Database
from imgen.records.job_events import JobEvent
from imgen.services.tenant_news import Listener, TenantNews, Wait

T = TypeVar("T")
log = structlog.get_logger(__name__)

LOOK_EVERY_S, LOOK_ALONE_S = 5.0, 1.0
"""Pauses between two looks into SQL: while Redis brings the news, and without it."""
PAGE = 500
"""Events or ids of one query."""


class Awaiting:
    """All that wait in one process; for one event loop."""

    def __init__(
        self,
        database: Database,
        redis_url: str,
        *,
        look_every_s: float = LOOK_EVERY_S,
        look_alone_s: float = LOOK_ALONE_S,
    ) -> None:
        """Takes the pauses between two looks into SQL, with Redis and without it."""
        self._database = database
        self._pauses_s = {True: look_every_s, False: look_alone_s}
        self._subscription = Subscription(redis_url, on_message=self._on_message, on_connect=self._look_soon)
        self._tenants: dict[str, TenantNews] = {}
        self._reads: dict[str, asyncio.Task[None]] = {}
        """Tenant → task that reads its events."""
        self._due = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def ends(self, tenant_id: str, job_ids: Collection[str], *, timeout_s: float) -> frozenset[str]:
        """Waits until all of these jobs of a tenant have ended; returns those that have, or are gone, within the time."""
        wait = Wait(job_ids)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._news_of(tenant_id) as told:
                with told.waiting(wait):
                    with contextlib.suppress(Retryable):  # the news come all the same
                        wait.end(wait.open - await self._database.reading(_open_among, wait.open))
                    await wait.done
        return frozenset(job_ids) - wait.open

    @contextlib.asynccontextmanager
    async def listen(self, tenant_id: str, job_ids: Collection[str] = ()) -> AsyncIterator[Listener]:
        """Listens to the events of these jobs of a tenant, or of all its jobs, while the block runs.

        Every event that is committed from now on comes; an earlier one may.

        Raises:
            Retryable: the database does not answer.
        """
        async with self._news_of(tenant_id) as told:
            if not told.has_listeners:
                number = (await self._database.reading(job_events.latest, (tenant_id,))).get(tenant_id, 0)
                told.number = max(told.number, number)
            with told.listening(Listener(job_ids)) as listener:
                self._read_soon(told)  # others may have listened while the number was read
                yield listener

    @property
    def is_idle(self) -> bool:
        """Returns whether nobody waits, and nothing is kept for those who did."""
        return not (self._tenants or self._reads or self._subscription.channels)

    async def close(self) -> None:
        """Ends the look-outs; waiters are cancelled by their own tasks."""
        tasks = [task for task in (self._looking, *self._reads.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._subscription.close()

    @contextlib.asynccontextmanager
    async def _news_of(self, tenant_id: str) -> AsyncIterator[TenantNews]:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_ever())
        told = self._tenants.setdefault(tenant_id, TenantNews(tenant_id))
        told.uses += 1
        try:
            await self._subscription.subscribe(news.channel(tenant_id))
            yield told
        finally:
            told.uses -= 1
            if not told.uses:
                del self._tenants[tenant_id]
                self._subscription.unsubscribe(news.channel(tenant_id))
                if (task := self._reads.pop(tenant_id, None)) is not None:
                    task.cancel()

    def _on_message(self, channel: str, message: bytes) -> None:
        told, piece = self._tenants.get(channel.removeprefix(news.CHANNELS)), news.parse(message)
        if told is None or piece is None:
            return
        if piece.progress is not None:
            told.get_further(piece.job_id, piece.progress, piece.fence)
            return
        if piece.has_ended:
            told.end((piece.job_id,))
        if told.is_heard(piece.job_id):
            self._read_soon(told)

    def _read_soon(self, told: TenantNews) -> None:
        """Has the tenant's new events read and handed out. News that come meanwhile have it done once more."""
        told.is_due = True
        if told.tenant_id not in self._reads:
            self._reads[told.tenant_id] = asyncio.create_task(self._read(told))

    async def _read(self, told: TenantNews) -> None:
        try:
            while told.is_due and told.has_listeners:
                told.is_due, changes = False, told.changes
                events, number = await self._database.reading(_events_since, told.tenant_id, told.number, told.heard)
                told.hand_out(events)
                if told.changes == changes:
                    told.number = number
                    told.is_due |= len(events) == PAGE
                else:  # somebody else listens now, maybe to a job whose events were left out
                    told.is_due = True
        except ImgenError as exc:
            log.warning("events are not read", tenant=told.tenant_id, reason=str(exc))
        finally:
            if self._reads.get(told.tenant_id) is asyncio.current_task():
                del self._reads[told.tenant_id]

    def _look_soon(self) -> None:
        self._due.set()

    async def _look_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pauses_s[self._subscription.is_connected]):
                    await self._due.wait()
            self._due.clear()
            try:
                await self._look()
            except ImgenError as exc:
                log.warning("waiting jobs are not looked up", reason=str(exc))
            except Exception:  # an unforeseen error must not end the task
                log.exception("waiting jobs are not looked up")

    async def _look(self) -> None:
        """Compares what this process knows with SQL."""
        heard = [tenant_id for tenant_id, told in self._tenants.items() if told.has_listeners]
        for tenant_ids in _pages(heard):
            for tenant_id, number in (await self._database.reading(job_events.latest, tenant_ids)).items():
                told = self._tenants.get(tenant_id)
                if told is not None and number > told.number:
                    self._read_soon(told)
        awaited: dict[str, list[str]] = defaultdict(list)
        for tenant_id, told in self._tenants.items():
            for job_id in told.awaited:
                awaited[job_id].append(tenant_id)
        for job_ids in _pages(awaited):
            still_open = await self._database.reading(_open_among, job_ids)
            for job_id in set(job_ids) - still_open:
                for told in self._told(awaited[job_id]):
                    told.end((job_id,))

    def _told(self, tenant_ids: Collection[str]) -> Iterator[TenantNews]:
        return (self._tenants[tenant_id] for tenant_id in tenant_ids if tenant_id in self._tenants)


def _pages(values: Iterable[T]) -> Iterator[tuple[T, ...]]:
    rest = iter(values)
    while page := tuple(islice(rest, PAGE)):
        yield page


def _open_among(connection: Connection, job_ids: Collection[str]) -> set[str]:
    return retention.open_among(connection, job_ids)


def _events_since(
    connection: Connection, tenant_id: str, number: int, job_ids: Collection[str]
) -> tuple[list[JobEvent], int]:
    """Returns a page of events after a number, and the number up to which there is no other one."""
    latest = job_events.latest(connection, (tenant_id,)).get(tenant_id, 0)
    page = job_events.since(connection, tenant_id, number, limit=PAGE, job_ids=job_ids)
    if len(page) == PAGE:
        return page, page[-1].number
    return page, max(latest, number, page[-1].number if page else 0)
