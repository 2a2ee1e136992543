"""The semantic cache (contract, section 2): a picture that was made for words of the same meaning is finished anew.

Vectors are searched in memory; what is found is asked of SQL once more, so that nothing purged, and nothing judged under an
older floor, is ever shown. Every process reads what is new before it searches: a token in Redis tells it that there is.
"""

import asyncio
import contextlib
import hashlib
import itertools
import random
import time
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import structlog

from imgen.domain.catalog import Catalog
from imgen.domain.errors import Retryable, Unavailable
from imgen.domain.floor import FLOOR_VERSION
from imgen.domain.meaning import Guard, mean_different_things, read
from imgen.domain.prompt import Parsed, compose
from imgen.domain.request import Order
from imgen.live import epochs
from imgen.live.executors import PipeliningExecutor
from imgen.objects import ObjectStore
from imgen.records import cache as records
from imgen.records.cache import Entry, PendingEntry
from imgen.records.database import Database
from imgen.services.embeddings import Embedder
from imgen.settings.sections import Cache as CacheSettings

if TYPE_CHECKING:
    from imgen.services.vectors import VectorIndex

log = structlog.get_logger(__name__)

LOOKED_AT = 64
"""Nearest entries that are looked at for some the guard lets pass."""
OVERLAP_S = 60
"""Clocks of the machines that write entries may differ by so much."""
REREAD_S = 30.0
"""What a worker commits just before it dies is news that nobody sends."""
ROWS_AT_ONCE = 1000
GIB = 1024**3


class SemanticCache:
    """One per API process."""

    def __init__(
        self, settings: CacheSettings, database: Database, live: PipeliningExecutor, embedder: Embedder, guard: Guard
    ) -> None:
        self._settings = settings
        self._database = database
        self._live = live
        self._embedder = embedder
        self._guard = guard
        self._lock = asyncio.Lock()
        self._epoch: bytes | None = None
        self._seen_until = 0.0
        self._read_at = -REREAD_S

    @cached_property
    def _index(self) -> "VectorIndex":
        from imgen.services.vectors import VectorIndex  # NumPy takes 15 MB, and many an installation has no cache

        return VectorIndex()

    def wants(self, *, is_asked: bool) -> bool:
        """Whether a request's picture is looked for or kept at all."""
        return self._settings.enabled and (is_asked or self._settings.keep == "all")

    async def draft(self, *, tenant_id: str, model: str, partition: str, text: str) -> PendingEntry | None:
        """What is looked for, and kept if it is not found; None: its meaning cannot be told now, or it is too long."""
        if len(text) > self._settings.max_prompt_chars:
            return None
        vector = await self._embedder.vector(text)
        if vector is None:
            return None
        return PendingEntry(
            tenant_id=tenant_id,
            model=model,
            partition=partition,
            embedder=self._embedder.name,
            text=text,
            vector=vector,
        )

    async def find(self, draft: PendingEntry, *, pick: int, force: bool, rng: random.Random) -> Entry | None:
        """One by lot of the `pick` nearest entries that are near enough; with `force`, of the nearest however far they are.

        Raises:
            Unavailable: Redis does not answer, so nobody can tell what is new.
        """
        await self.read_news()
        over = -2.0 if force else self._settings.similarity
        near = await asyncio.to_thread(self._index.nearest, draft.partition, draft.vector, over=over, limit=LOOKED_AT)
        if not near:
            return None
        ids = [entry_id for entry_id, _ in near]
        entries = await self._database.reading(records.find, ids, floor_version=FLOOR_VERSION)
        fitting = (entries[entry_id] for entry_id in ids if entry_id in entries)
        if self._settings.guard and not force:
            best = await asyncio.to_thread(self._passed, draft.text, list(fitting), pick)
        else:
            best = list(itertools.islice(fitting, pick))
        return rng.choice(best) if best else None

    async def read_news(self) -> None:
        """Brings the index up to what SQL holds, if anything has changed.

        Raises:
            Unavailable, Retryable: Redis or SQL does not answer.
        """
        epoch = await self._live.run(epochs.read(epochs.CACHE))
        if self._knows(epoch):
            return
        async with self._lock:
            if self._knows(epoch):
                return
            since = self._seen_until - OVERLAP_S
            ready, purged, latest = await self._database.reading(
                records.changed_since, since, embedder=self._embedder.name
            )
            new = [entry_id for entry_id in ready if entry_id not in self._index]
            for start in range(0, len(new), ROWS_AT_ONCE):
                rows = await self._database.reading(records.vectors, new[start : start + ROWS_AT_ONCE])
                await asyncio.to_thread(self._index.add, rows)  # copies, where a matrix is full or a row goes
            if purged:
                await asyncio.to_thread(self._index.remove, purged)
            self._epoch, self._seen_until, self._read_at = epoch, max(latest, self._seen_until), time.monotonic()

    async def purge(self, *, tenant_id: str | None = None, model: str | None = None) -> int:
        """Takes entries out everywhere, all of them if nothing is named. Returns how many."""
        number = await self._database.writing(records.purge, tenant_id=tenant_id, model=model)
        await self._tell()
        return number

    async def sweep(self, objects: ObjectStore, *, now: float, job_deadline_s: float) -> int:
        """Purges what outlived its keep, its cap or its floor, and removes what nobody reads any more. Returns how many."""
        settings = self._settings
        purged, before = 0, now - 2 * job_deadline_s  # a job that was handed a master may still read it
        while outlived := await self._database.reading(
            records.expired,
            used_before=now - settings.keep_days * 86400 if settings.keep_days else 0.0,
            max_bytes=int(settings.max_gib * GIB),
            max_entries=settings.max_entries,
            floor_version=FLOOR_VERSION,
        ):
            await self._database.writing(records.purge, entry_ids=outlived, now=now)
            purged += len(outlived)
        if purged:
            await self._tell()
        while abandoned := await self._database.reading(records.orphaned, begun_before=before, purged_before=before):
            for entry_id in abandoned:
                await asyncio.to_thread(_delete_all, objects, f"cache/{entry_id}/")
            await self._database.writing(records.delete_entries, abandoned)
        return purged

    async def warm(self) -> None:
        """Reads everything beforehand, so that no request waits for it."""
        if not self._settings.enabled:
            return
        started = time.monotonic()
        with contextlib.suppress(Unavailable, Retryable):  # the first look-up tries again
            await self.read_news()
        if self._seen_until:
            log.info("semantic cache read", entries=len(self._index), seconds=round(time.monotonic() - started, 2))

    async def close(self) -> None:
        """Closes the embedder's connections."""
        await self._embedder.close()

    def _passed(self, text: str, entries: list[Entry], pick: int) -> list[Entry]:
        """The first so many of which the guard says nothing."""
        wanted = read(text, self._guard)
        same = (one for one in entries if not mean_different_things(wanted, read(one.text, self._guard), self._guard))
        return list(itertools.islice(same, pick))

    def _knows(self, epoch: bytes | None) -> bool:
        return epoch is not None and epoch == self._epoch and time.monotonic() - self._read_at < REREAD_S

    async def _tell(self) -> None:
        with contextlib.suppress(Unavailable):  # SQL is asked about all that is found: nobody shows what is purged
            await self._live.run(epochs.bump(epochs.CACHE))


def partition_of(catalog: Catalog, order: Order, parsed: Parsed, *, owner: str, negative: str, ruleset: str) -> str:
    """Digest of all that must be equal for one picture to serve two requests, but for the positive words themselves.

    Args:
        catalog: for what model, style and character add to the prompt: a picture made with other words is another one.
        order: model, style and size.
        parsed: character and `-terms`.
        owner: the tenant, or nothing where pictures are shared between tenants.
        negative: the explicit one; what is unwanted counts as a set of terms.
        ruleset: digest of the rules it was judged by.
    """
    character = catalog.characters.get(parsed.character)
    style = order.model.styles[order.style]
    unwanted = {" ".join(term.casefold().split()) for term in (*parsed.negative, *negative.split(","))}
    told = (
        owner,
        order.model.key,
        order.model.source,
        order.style,
        parsed.character,
        character.loras.get(order.model.key, "") if character else "",
        compose(Parsed(), model=order.model, style=style, character=character),
        (order.width, order.height),
        ruleset,
        sorted(unwanted - {""}),
    )
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def _delete_all(objects: ObjectStore, prefix: str) -> None:
    for stored in list(objects.list(prefix)):
        objects.delete(stored.key)
