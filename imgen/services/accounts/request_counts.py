"""Counts of requests by principal, kept in memory and written to SQL at intervals: a write costs more than a poll."""

import contextlib
from collections import Counter

from sqlalchemy import Connection

from imgen.domain.errors import Retryable
from imgen.domain.principal import Kind, Principal
from imgen.records import api_keys, ledger, oauth_connections
from imgen.records.database import Database


class RequestCounts:
    """Counts by principal and tenant since they were last written."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._keys: set[str] = set()
        self._apps: set[str] = set()

    def note(self, principal: Principal) -> None:
        """Counts one request. Those of anonymous callers are their tenant's alone: SQL keeps no row of each address."""
        self._requests[principal.tenant.id] += 1
        if principal.kind is not Kind.ANONYMOUS:
            self._requests[principal.counted_as] += 1
        if principal.kind is Kind.API_KEY:
            self._keys.add(principal.counted_as)
        if principal.kind is Kind.CONNECTED_APP:
            self._apps.add(principal.counted_as)

    async def write(self, database: Database, *, now: float) -> None:
        """Adds the counts to those in SQL; counts that cannot be written are kept for the next time."""
        if not self._requests:
            return
        requests, self._requests = self._requests, Counter()
        keys, self._keys = self._keys, set()
        apps, self._apps = self._apps, set()

        def write(connection: Connection) -> None:
            ledger.add_requests(connection, requests.items(), now=now)
            api_keys.note_used(connection, keys, now=now)
            if apps:
                oauth_connections.note_used(connection, apps, now=now)

        try:
            await database.writing(write)
        except BaseException:
            self._requests.update(requests)
            self._keys |= keys
            self._apps |= apps
            raise

    async def write_if_possible(self, database: Database, *, now: float) -> None:
        """Writes the counts before they are read; a database that takes no writes does not keep readers from the older ones."""
        with contextlib.suppress(Retryable):
            await self.write(database, now=now)
