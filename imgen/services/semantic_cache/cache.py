"""Semantic cache (contract, section 2): reuses the master of a picture for a prompt of the same meaning.

Vectors are searched in memory; entries found are read from SQL, so that none is used that was purged or judged under an
older floor. Each process reads new entries before a search if their epoch in Redis has changed.
"""

import asyncio
import contextlib
import itertools
import random
import time
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from imgen.domain.errors import Retryable, Unavailable
from imgen.domain.lexical_guard import GuardWords, conflicts, parse_text
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.live import epochs
from imgen.live.executors import PipeliningExecutor
from imgen.objects import ObjectStore
from imgen.records import cache as records
from imgen.records.cache import Entry, PendingEntry
from imgen.records.database import Database
from imgen.services.object_folders import delete_folders
from imgen.services.semantic_cache.embeddings import Embedder
from imgen.settings.sections import Cache as CacheSettings
from imgen.threads import SEARCH, SWEEPING

if TYPE_CHECKING:
    from imgen.services.semantic_cache.vectors import VectorIndex

log = structlog.get_logger(__name__)

MAX_CANDIDATES = 64
"""Number of nearest entries to check with the guard."""
CLOCK_SKEW_S = 60
"""Greatest difference between the clocks of machines that write entries."""
MAX_STALE_S = 30.0
"""A worker that dies right after its commit changes no epoch, so entries are read again after this time."""
ROWS_AT_ONCE = 1000
GIB = 1024**3


class SemanticCache:
    """Cache of one API process."""

    def __init__(
        self,
        settings: CacheSettings,
        database: Database,
        live: PipeliningExecutor,
        embedder: Embedder,
        guard: GuardWords,
    ) -> None:
        self._settings = settings
        self._database = database
        self._live = live
        self._embedder = embedder
        self._guard = guard
        self._lock = asyncio.Lock()
        self._epoch: bytes | None = None
        self._seen_until = 0.0
        self._read_at = -MAX_STALE_S

    @cached_property
    def _index(self) -> "VectorIndex":
        from imgen.services.semantic_cache.vectors import (
            VectorIndex,  # NumPy takes 15 MB, and not every installation has a cache
        )

        return VectorIndex()

    def use(self, guard: GuardWords) -> None:
        """Takes words of the lexical guard that were read again."""
        self._guard = guard

    def wants(self, *, is_asked: bool) -> bool:
        """Returns whether a request's picture is looked up or kept."""
        return self._settings.enabled and (is_asked or self._settings.keep == "all")

    async def pending_entry(self, *, tenant_id: str, model: str, partition: str, text: str) -> PendingEntry | None:
        """Makes the entry to look up and to keep on a miss; None: the text is too long, or the embedder does not answer."""
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

    async def find(
        self, pending: PendingEntry, *, number: int = 1, pick: int, force: bool, rng: random.Random
    ) -> list[Entry]:
        """Returns random ones of the nearest entries within the threshold; with `force`, of the nearest at any distance.

        Args:
            pending: entry of the request.
            number: entries to return, each another one; fewer if there are not so many.
            pick: nearest entries to choose from, or `number` if that is more.
            force: whether any distance will do.
            rng: chooses.

        Raises:
            Unavailable: Redis does not answer, so new entries may be missing.
        """
        await self.refresh_if_changed()
        over = -2.0 if force else self._settings.similarity
        near = await SEARCH.run(self._index.nearest, pending.partition, pending.vector, over=over, limit=MAX_CANDIDATES)
        if not near:
            return []
        ids = [entry_id for entry_id, _ in near]
        entries = await self._database.reading(records.find, ids, floor_version=FLOOR_VERSION)
        fitting, most = (entries[entry_id] for entry_id in ids if entry_id in entries), max(pick, number)
        if self._settings.guard and not force:
            best = await SEARCH.run(self._passed, pending.text, list(fitting), most)
        else:
            best = list(itertools.islice(fitting, most))
        return rng.sample(best, min(number, len(best)))

    async def refresh_if_changed(self) -> None:
        """Brings the index up to date with SQL, if the epoch has changed.

        Raises:
            Retryable: Redis or SQL does not answer.
        """
        epoch = await self._live.run(epochs.read(epochs.CACHE))
        if self._is_fresh(epoch):
            return
        async with self._lock:
            if self._is_fresh(epoch):
                return
            since = self._seen_until - CLOCK_SKEW_S
            ready, purged, latest = await self._database.reading(
                records.changed_since, since, embedder=self._embedder.name
            )
            new = [entry_id for entry_id in ready if entry_id not in self._index]
            for start in range(0, len(new), ROWS_AT_ONCE):
                rows = await self._database.reading(records.vectors, new[start : start + ROWS_AT_ONCE])
                await SEARCH.run(self._index.add, rows)  # copies a matrix when it is full or loses a row
            if purged:
                await SEARCH.run(self._index.remove, purged)
            self._epoch, self._seen_until, self._read_at = epoch, max(latest, self._seen_until), time.monotonic()

    async def purge(self, *, tenant_id: str | None = None, model: str | None = None) -> int:
        """Purges entries in all processes, without conditions all of them. Returns their number."""
        number = await self._database.writing(records.purge, tenant_id=tenant_id, model=model)
        await self._announce()
        return number

    async def sweep(self, objects: ObjectStore, *, now: float, job_deadline_s: float) -> int:
        """Purges entries past their time, the cap or their floor; deletes those without readers. Returns the number purged."""
        settings = self._settings
        purged, before = 0, now - 2 * job_deadline_s  # a job may still read the master
        while expired := await self._database.reading(
            records.expired,
            used_before=now - settings.keep_days * 86400 if settings.keep_days else 0.0,
            max_bytes=int(settings.max_gib * GIB),
            max_entries=settings.max_entries,
            floor_version=FLOOR_VERSION,
        ):
            await self._database.writing(records.purge, entry_ids=expired, now=now)
            purged += len(expired)
        if purged:
            await self._announce()
        after = ""
        while orphaned := await self._database.reading(
            records.orphaned, begun_before=before, purged_before=before, after=after
        ):
            folders = {entry_id: (f"cache/{entry_id}/",) for entry_id in orphaned}
            deleted = await SWEEPING.run(delete_folders, objects, folders)
            await self._database.writing(records.delete_entries, sorted(deleted))
            after = orphaned[-1]
        return purged

    async def warm(self) -> None:
        """Reads all entries before the first request."""
        if not self._settings.enabled:
            return
        started = time.monotonic()
        with contextlib.suppress(Unavailable, Retryable):  # the first look-up repeats it
            await self.refresh_if_changed()
        if self._seen_until:
            log.info("semantic cache read", entries=len(self._index), seconds=round(time.monotonic() - started, 2))

    async def close(self) -> None:
        """Closes the embedder's connections."""
        await self._embedder.close()

    def _passed(self, text: str, entries: list[Entry], most: int) -> list[Entry]:
        """Returns the first entries that pass the guard, `most` of them."""
        parsed = parse_text(text, self._guard)
        same = (one for one in entries if not conflicts(parsed, parse_text(one.text, self._guard), self._guard))
        return list(itertools.islice(same, most))

    def _is_fresh(self, epoch: bytes | None) -> bool:
        return epoch is not None and epoch == self._epoch and time.monotonic() - self._read_at < MAX_STALE_S

    async def _announce(self) -> None:
        with contextlib.suppress(Unavailable):  # found entries are read from SQL, so a purged one is not used
            await self._live.run(epochs.bump(epochs.CACHE))
