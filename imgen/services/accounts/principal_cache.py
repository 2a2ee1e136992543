"""Cache of keys and their tenants in an API process: read from SQL once, dropped when the epoch of keys changes.

The epoch is read with every request, so a disabled key stops working in every process at once.
"""

import time
from collections import OrderedDict

from imgen.domain.principal import TenantKey

CAPACITY = 10_000
TTL_S = 30.0
"""A change of a key without Redis changes no epoch, so entries expire."""


class PrincipalCache:
    """Map of hash → enabled key with its tenant; the least recently used is dropped first."""

    def __init__(self) -> None:
        self.epoch: bytes | None = None
        self._known: OrderedDict[str, tuple[TenantKey, float]] = OrderedDict()

    def get(self, key_hash: str) -> TenantKey | None:
        """Returns the key; None: it is not cached, or too old."""
        found, read_at = self._known.get(key_hash, (None, 0.0))
        if found is None or time.monotonic() - read_at > TTL_S:
            return None
        self._known.move_to_end(key_hash)
        return found

    def put(self, key_hash: str, found: TenantKey) -> None:
        """Caches a key read from SQL."""
        self._known[key_hash] = found, time.monotonic()
        if len(self._known) > CAPACITY:
            self._known.popitem(last=False)

    def clear(self, epoch: bytes | None) -> None:
        """Empties the cache for another epoch."""
        self.epoch = epoch
        self._known.clear()
