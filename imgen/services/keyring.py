"""What an API process knows of keys: read from SQL once, dropped whenever the key epoch changes.

The epoch is read with every request, so a key that is switched off anywhere stops working everywhere at once.
"""

from collections import OrderedDict

from imgen.domain.account import Principal

CAPACITY = 10_000


class Keyring:
    """Hash → principal, the least recently used forgotten first. None: a key that does not exist, remembered as well."""

    def __init__(self) -> None:
        self.epoch: bytes | None = None
        self._known: OrderedDict[str, Principal | None] = OrderedDict()

    def __contains__(self, key_hash: str) -> bool:
        return key_hash in self._known

    def get(self, key_hash: str) -> Principal | None:
        """The principal of a hash that is in here."""
        self._known.move_to_end(key_hash)
        return self._known[key_hash]

    def put(self, key_hash: str, principal: Principal | None) -> None:
        """Remembers what SQL said."""
        self._known[key_hash] = principal
        if len(self._known) > CAPACITY:
            self._known.popitem(last=False)

    def forget_all(self, epoch: bytes | None) -> None:
        """Starts anew under another epoch."""
        self.epoch = epoch
        self._known.clear()
