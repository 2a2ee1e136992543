"""Pool of models, upscalers and the like: kept loaded while they fit a budget, the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from imgen.domain.errors import ModelError, OutOfMemory

log = structlog.get_logger(__name__)


class Loaded(Protocol):
    """Entry of a pool."""

    @property
    def memory_bytes(self) -> int:
        """Memory that it holds now."""

    def unload(self) -> None:
        """Frees the memory; the value is unusable afterwards."""


L = TypeVar("L", bound=Loaded)


@dataclass(frozen=True)
class Demand:
    """Memory that something needs."""

    size_bytes: int
    device: str = "cpu"
    """Device whose memory it is, such as `cuda:0`; `cpu`: main memory."""


@dataclass(frozen=True)
class _Entry:
    loaded: Loaded
    device: str


class MemoryPool:
    """Entries of one process, by key. Not thread-safe: one thread of a process loads and renders."""

    def __init__(self, budget: Callable[[str], int], most: Callable[[str], int] | None = None) -> None:
        """Makes an empty pool.

        Args:
            budget: returns the bytes that a device has for all entries together.
            most: the same for a single entry, which is alone then if that exceeds the budget; None: the budget.
        """
        self._budget = budget
        self._most = most or budget
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    @property
    def entries(self) -> tuple[Loaded, ...]:
        """All entries, the longest unused first."""
        return tuple(entry.loaded for entry in self._entries.values())

    def used_bytes(self, device: str = "cpu") -> int:
        """Returns the memory that the entries of a device hold."""
        return sum(entry.loaded.memory_bytes for entry in self._entries.values() if entry.device == device)

    def get(self, key: str) -> Loaded | None:
        """Returns an entry and counts that as a use; None: it is not loaded."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key].loaded

    def refuse_too_large(self, demand: Demand) -> None:
        """Raises ModelError if an entry does not fit its device even alone: nothing needs to be evicted for it."""
        most = self._most(demand.device)
        if demand.size_bytes > most:
            has = f"{_gib(most)} GiB is the most on {demand.device}"
            raise ModelError(
                f"it takes {_gib(demand.size_bytes)} GiB, and {has}: [workers] memory_gib, or a smaller dtype"
            )

    def load(self, key: str, demand: Demand, load: Callable[[Callable[[], None]], L]) -> L:
        """Loads and keeps an entry. One that is larger than the budget is kept alone.

        `load` is given the function that makes room, which it calls before it takes memory of the demand's device. An error
        before that evicts nobody, so whatever can fail comes first. An error after it has cost the entries that had to go:
        they are not loaded again here, for the next use of each does it, at no more cost than a reload now would have.

        If memory runs out, as much as it needs is evicted, at least one entry, and the load is tried once more.

        Raises:
            OutOfMemory: there was nothing to evict, or it did not help.
            Exception: what `load` raises.
        """

        def make_room() -> None:
            self.make_room(demand)

        try:
            return self._keep(key, demand.device, load(make_room))
        except OutOfMemory as exc:
            if not self._evictable(demand.device):
                raise
            log.warning("out of memory in a load, which is tried once more", entry=key, reason=str(exc))
        # After the except block: its error holds what was loaded by half.
        self._evict(demand)
        return self._keep(key, demand.device, load(make_room))

    def make_room(self, demand: Demand, *, keep: str = "") -> bool:
        """Evicts until the demand fits the budget. Returns whether it fits; one entry is spared, the one that grows.

        Evicts nothing where nothing is asked for.
        """
        budget = self._budget(demand.device) if demand.size_bytes else 0
        while demand.size_bytes and self.used_bytes(demand.device) + demand.size_bytes > budget:
            keys = self._evictable(demand.device, keep)
            if not keys:
                return False
            self._log_eviction(keys[0], budget)
            self.unload(keys[0])
        return True

    def unload_others(self, key: str) -> bool:
        """Unloads all other entries of an entry's device. Returns whether there were any."""
        keys = self._evictable(self._entries[key].device, key) if key in self._entries else []
        for other in keys:
            self.unload(other)
        return bool(keys)

    def unload(self, key: str) -> None:
        """Unloads an entry; does nothing if it is not loaded."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.loaded.unload()

    def clear(self) -> None:
        """Unloads all entries."""
        for key in tuple(self._entries):
            self.unload(key)

    def _keep(self, key: str, device: str, loaded: L) -> L:
        """Keeps an entry, and evicts others where it has become larger than it was said to be."""
        self._entries[key] = _Entry(loaded, device)
        budget = self._budget(device)
        while self.used_bytes(device) > budget and (others := self._evictable(device, key)):
            self._log_eviction(others[0], budget)
            self.unload(others[0])
        return loaded

    def _evict(self, demand: Demand) -> None:
        """Evicts entries that together hold what is asked for, at least one."""
        freed = 0
        for key in self._evictable(demand.device):
            freed += self._entries[key].loaded.memory_bytes
            self.unload(key)
            if freed >= demand.size_bytes:
                return

    def _evictable(self, device: str, keep: str = "") -> list[str]:
        """Returns the keys of a device's entries that hold memory, the longest unused first."""
        return [
            key
            for key, entry in self._entries.items()
            if entry.device == device and key != keep and entry.loaded.memory_bytes
        ]

    def _log_eviction(self, key: str, budget: int) -> None:
        size = self._entries[key].loaded.memory_bytes
        log.info("unloaded to make room", entry=key, size_bytes=size, budget_bytes=budget)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.3g}"
