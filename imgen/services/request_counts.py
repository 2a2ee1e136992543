"""Requests by key, counted in memory and written to SQL now and then: a write for each poll would cost more than the poll."""

from collections import Counter

from imgen.domain.account import Principal
from imgen.records import api_keys, ledger
from imgen.records.database import Database


class RequestCounts:
    """Requests by key and tenant since the last time they were written."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._keys: set[str] = set()

    def note(self, principal: Principal) -> None:
        """One more request."""
        self._requests[principal.key.id] += 1
        self._requests[principal.tenant.id] += 1
        self._keys.add(principal.key.id)

    async def write(self, database: Database, *, now: float) -> None:
        """Adds what has gathered to SQL; what cannot be written now is kept for the next time."""
        if not self._requests:
            return
        requests, self._requests = self._requests, Counter()
        keys, self._keys = self._keys, set()
        try:
            await database.writing(ledger.add_requests, requests.items(), now=now)
            await database.writing(api_keys.note_used, keys, now=now)
        except BaseException:
            self._requests.update(requests)
            self._keys |= keys
            raise
