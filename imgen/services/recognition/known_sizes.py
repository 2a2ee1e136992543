"""Sizes that pictures of this installation have: those that its models make, and those of the pictures that it has published.

A picture that was resized is put back to them before its watermark is looked for. Blocking: called in threads.
"""

import threading
import time
from collections.abc import Callable

from imgen.domain.catalog import Catalog, Size
from imgen.domain.framing import catalog_sizes
from imgen.records import picture_records
from imgen.records.database import Database

MAX_RECORDED = 1_000
"""Sizes of published pictures, those of most pictures first: enhanced ones have as many as their sources."""
REREAD_S = 3_600.0
"""Age of the sizes in memory after which they are read again: a new one is as a rule a model's, or has its source's ratio."""


def known_sizes(catalog: Catalog, database: Database) -> tuple[Size, ...]:
    """Returns the sizes by the catalog and the records.

    Raises:
        Retryable: the database does not answer.
    """
    with database.read() as connection:
        recorded = picture_records.sizes(connection, limit=MAX_RECORDED)
    return tuple(dict.fromkeys([*catalog_sizes(catalog), *recorded]))


class KnownSizes:
    """Sizes for one process, read again now and then. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._sizes: tuple[Size, ...] = ()
        self._catalog: Catalog | None = None
        self._read_at = 0.0

    def of(self, catalog: Catalog) -> tuple[Size, ...]:
        """Returns the sizes under a catalog.

        Raises:
            Retryable: the database does not answer.
        """
        with self._lock:
            if catalog is not self._catalog or self._clock() - self._read_at > REREAD_S:
                self._sizes = known_sizes(catalog, self._database)
                self._catalog, self._read_at = catalog, self._clock()
            return self._sizes
