"""What an API process knows of keys: read from SQL once, dropped whenever the key epoch changes.

The epoch is read with every request, so a key that is switched off anywhere stops working everywhere at once.
"""

import time
from collections import OrderedDict

from imgen.domain.account import Principal

CAPACITY = 10_000
REMEMBER_S = 30.0
"""A key that changes while Redis is away changes no epoch: who saw nothing of that must not remember for long."""


class Keyring:
    """Hash → principal whose key is switched on; the least recently used is forgotten first."""

    def __init__(self) -> None:
        self.epoch: bytes | None = None
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    def get(self, key_hash: str) -> Principal | None:
        """The principal, if it is in here and fresh."""
        principal, read_at = self._known.get(key_hash, (None, 0.0))
        if principal is None or time.monotonic() - read_at > REMEMBER_S:
            return None
        self._known.move_to_end(key_hash)
        return principal

    def put(self, key_hash: str, principal: Principal) -> None:
        """Remembers what SQL said."""
        self._known[key_hash] = principal, time.monotonic()
        if len(self._known) > CAPACITY:
            self._known.popitem(last=False)

    def forget_all(self, epoch: bytes | None) -> None:
        """Starts anew under another epoch."""
        self.epoch = epoch
        self._known.clear()
