"""Fingerprints of all published pictures, for searches: an index in files for the bulk, and the latest in memory.

The index is opened at the first search. The latest are read from SQL before each search, so that a picture is found as soon as it
is published. Blocking: called in threads.
"""

import contextlib
import fcntl
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imgen.records import picture_records
from imgen.records.database import Database

if TYPE_CHECKING:
    from imgen.provenance.fingerprint_index import FingerprintIndex, Match

LATEST_ROWS = 100_000
"""Pictures in memory from which on an index is built: to compare all of so many takes some 3 ms."""
LATE_S = 60.0
"""Time by which a picture's row may be committed later than the time in it says."""
REBUILT_AFTER_S = 86_400.0
"""Age of an index that holds pictures which may have been deleted since."""
PAGE_ROWS = 10_000
_START = (0.0, "")


class KnownPicture(NamedTuple):
    """Published picture with a like fingerprint."""

    gen_id: str
    distance: int
    """Bits that differ."""


class KnownFingerprints:
    """Fingerprints for one process. Thread-safe."""

    def __init__(self, database: Database, folder: Path) -> None:
        """Takes the folder of the index, which the processes of a host share."""
        self._database = database
        self._folder = folder
        self._lock = threading.Lock()
        self._index: FingerprintIndex | None = None
        self._opened = ""
        self._newest = _START
        """Time and id of the newest picture in the index."""
        self._latest: dict[str, bytes] = {}
        self._read_until = _START

    def search(self, fingerprint: str) -> list[KnownPicture]:
        """Finds the pictures within the distance of a match, the nearest first. Deleted ones may be among them.

        Raises:
            Retryable: the database does not answer.
        """
        from imgen.provenance.fingerprint_index import nearest
        from imgen.provenance.matchlist import MATCH_DISTANCE

        index, latest = self._opened_now()
        found = latest.among(fingerprint, partial(nearest, distance=MATCH_DISTANCE))
        return _ordered(found, index, index.search(fingerprint) if index else [])

    def closest(self, fingerprint: str, *, limit: int) -> list[KnownPicture]:
        """Finds so many pictures, the nearest first, however far away; deleted ones may be among them. All are compared.

        Raises:
            Retryable: the database does not answer.
        """
        from imgen.provenance.fingerprint_index import closest

        index, latest = self._opened_now()
        found = latest.among(fingerprint, partial(closest, limit=limit))
        return _ordered(found, index, index.closest(fingerprint, limit=limit) if index else [])[:limit]

    def _opened_now(self) -> "tuple[FingerprintIndex | None, _Latest]":
        """Returns the newest index, and what was published since it was built."""
        with self._lock:
            self._open_newest()
            self._read_latest()
            return self._index, _Latest(list(self._latest), b"".join(self._latest.values()))

    def rebuild_if_due(self) -> bool:
        """Builds the index anew from the records, if there are enough and no process of this host is at it. Returns whether.

        Raises:
            OSError: the folder cannot be written.
            Retryable: the database does not answer.
        """
        with self._lock:
            self._open_newest()
            self._read_latest()
            is_old = bool(self._opened) and time.time() - self._built_at(self._opened) > REBUILT_AFTER_S
            if len(self._latest) < LATEST_ROWS and not is_old:
                return False
        with self._alone() as is_alone:
            if is_alone:
                self._build()
        return is_alone

    def _build(self) -> None:
        import numpy as np

        from imgen.provenance.fingerprint_index import build

        ids, hashes, newest = list[str](), bytearray(), _START
        for place, gen_id, fingerprint in self._rows(_START):
            ids.append(gen_id)
            hashes += fingerprint
            newest = place
        name = f"{time.time_ns():020d}"
        build(
            self._folder / name,
            np.frombuffer(bytes(hashes), np.uint8).reshape(-1, 32),
            np.array(ids, dtype="S20"),
        )
        (self._folder / f"{name}.json").write_text(json.dumps(newest))
        for old in sorted(self._folder.glob("*.json"))[:-2]:
            old.unlink(missing_ok=True)
            shutil.rmtree(old.with_suffix(""), ignore_errors=True)

    def _open_newest(self) -> None:
        """Opens the newest whole index, if it is another one than before."""
        from imgen.provenance.fingerprint_index import FingerprintIndex

        name = max((path.stem for path in self._folder.glob("*.json")), default="")
        if name == self._opened:
            return
        with contextlib.suppress(OSError, ValueError):  # deleted at this moment, for a newer one is there
            published_at, gen_id = json.loads((self._folder / f"{name}.json").read_text())
            self._index = FingerprintIndex(self._folder / name)
            self._opened, self._newest = name, (published_at, gen_id)
            self._latest, self._read_until = {}, self._newest

    def _read_latest(self) -> None:
        """Reads what was published since the last search; rows that were committed late are read with it."""
        begin = (max(0.0, self._read_until[0] - LATE_S), "")
        for place, gen_id, fingerprint in self._rows(begin):
            self._latest[gen_id] = fingerprint
            self._read_until = place

    def _rows(self, after: tuple[float, str]) -> Iterator[tuple[tuple[float, str], str, bytes]]:
        while True:
            with self._database.read() as connection:
                page = picture_records.fingerprints(connection, after=after, limit=PAGE_ROWS)
            for published_at, gen_id, fingerprint in page:
                after = published_at, gen_id
                yield after, gen_id, bytes.fromhex(fingerprint)
            if len(page) < PAGE_ROWS:
                return

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Yields whether no other process of the host builds."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    @staticmethod
    def _built_at(name: str) -> float:
        return int(name) / 1e9


class _Latest(NamedTuple):
    """Fingerprints in memory."""

    ids: list[str]
    hashes: bytes

    def among(self, fingerprint: str, compare: "Callable[..., list[Match]]") -> dict[str, int]:
        """Returns the pictures that a comparison finds, with their distances."""
        import numpy as np

        hashes = np.frombuffer(self.hashes, np.uint8).reshape(-1, 32)
        wanted = np.frombuffer(bytes.fromhex(fingerprint), np.uint8)
        rows = np.arange(len(self.ids), dtype=np.uint32)
        return {self.ids[row]: away for row, away in compare(hashes, wanted, rows)}


def _ordered(found: dict[str, int], index: "FingerprintIndex | None", more: "list[Match]") -> list[KnownPicture]:
    """Adds what the index found, and returns all, the nearest first."""
    if index is not None:
        for row, away in more:
            found.setdefault(index.labels[row].decode(), away)
    return sorted((KnownPicture(*one) for one in found.items()), key=lambda one: (one.distance, one.gen_id))
