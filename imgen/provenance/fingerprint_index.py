"""Index of PDQ fingerprints: finds those within the distance of a match among millions, from files that are mapped into memory.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014): where two
fingerprints differ in 31 bits, at least one of 16 pieces of 16 bits differs in one bit at most. So 17 values of each piece are
looked up, and what is found there is compared as a whole. The search is exact. The files are built once and never changed;
processes of a host share their pages.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgen.provenance.matchlist import MATCH_DISTANCE

HASH_BYTES = 32
PIECES = 16
"""Pieces of a fingerprint, 16 bits each: MATCH_DISTANCE // PIECES bits of the best one differ at most, which is one."""
VALUES = 1 << 16
_FLIPS = np.concatenate([[0], 1 << np.arange(16)]).astype(np.uint16)
"""Changes of a piece that are looked up: none, and each single bit."""
_COMPARED_ROWS = 1 << 20
"""Fingerprints that are compared at once: 32 MiB."""

Hashes = NDArray[np.uint8]
"""(rows, 32) uint8."""


class Match(NamedTuple):
    """Fingerprint of the index near the one that was looked up."""

    row: int
    """Number of the fingerprint, in the order in which the index was built."""
    distance: int
    """Bits that differ."""


class FingerprintIndex:
    """Index in a folder, opened for reading. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Maps the files of `build`; their pages are read when a search wants them.

        Raises:
            OSError, ValueError: they are missing or cut.
        """
        self._hashes = np.load(folder / "hashes.npy", mmap_mode="r")
        self._rows = np.load(folder / "rows.npy", mmap_mode="r")
        self._starts = np.load(folder / "starts.npy", mmap_mode="r")
        self.labels: NDArray[np.bytes_] = np.load(folder / "labels.npy", mmap_mode="r")
        """Label of each row, such as the id of its picture."""

    def __len__(self) -> int:
        return len(self._hashes)

    def search(self, fingerprint: str, *, distance: int = MATCH_DISTANCE) -> list[Match]:
        """Finds all fingerprints within a distance, at most MATCH_DISTANCE, the nearest first.

        Args:
            fingerprint: 64 hex digits.
            distance: greatest number of bits that differ.
        """
        wanted = np.frombuffer(bytes.fromhex(fingerprint), np.uint8)
        rows = np.unique(np.concatenate(list(self._candidates(wanted.view(">u2").astype(np.uint16)))))
        return nearest(self._hashes[rows], wanted, rows, distance=distance)

    def closest(self, fingerprint: str, *, limit: int) -> list[Match]:
        """Finds so many fingerprints nearest to one, however far away they are: all are compared.

        Args:
            fingerprint: 64 hex digits.
            limit: number of fingerprints.
        """
        wanted = np.frombuffer(bytes.fromhex(fingerprint), np.uint8)
        found: list[Match] = []
        for start in range(0, len(self), _COMPARED_ROWS):
            part = self._hashes[start : start + _COMPARED_ROWS]
            found += closest(part, wanted, np.arange(start, start + len(part), dtype=np.uint32), limit=limit)
        return sorted(found, key=lambda one: (one.distance, one.row))[:limit]

    def _candidates(self, pieces: NDArray[np.uint16]) -> Iterator[NDArray[np.uint32]]:
        for number, piece in enumerate(pieces):
            starts, rows = self._starts[number], self._rows[number]
            for value in (piece ^ _FLIPS).tolist():
                yield rows[starts[value] : starts[value + 1]]


def nearest(hashes: Hashes, wanted: NDArray[np.uint8], rows: NDArray[np.uint32], *, distance: int) -> list[Match]:
    """Compares fingerprints with one, bit by bit, and returns those within a distance, the nearest first.

    Args:
        hashes: (n, 32) uint8.
        wanted: (32,) uint8.
        rows: (n,) their numbers.
        distance: greatest number of bits that differ.
    """
    found = _distances(hashes, wanted)
    near = np.flatnonzero(found <= distance)
    ordered = near[np.lexsort((rows[near], found[near]))]
    return [Match(int(rows[one]), int(found[one])) for one in ordered]


def closest(hashes: Hashes, wanted: NDArray[np.uint8], rows: NDArray[np.uint32], *, limit: int) -> list[Match]:
    """Compares fingerprints with one, as `nearest` does, and returns so many of the nearest, however far away."""
    found = _distances(hashes, wanted)
    # All as near as the last of them: which ones are taken then depends on their numbers alone
    last = np.partition(found, limit - 1)[limit - 1] if limit < len(found) else 256
    return nearest(hashes[found <= last], wanted, rows[found <= last], distance=int(last))[:limit]


def _distances(hashes: Hashes, wanted: NDArray[np.uint8]) -> NDArray[np.uint16]:
    words = np.ascontiguousarray(hashes).view(np.uint64)
    differing = words ^ np.ascontiguousarray(wanted).view(np.uint64)
    return np.asarray(np.bitwise_count(differing).sum(axis=1, dtype=np.uint16))


def build(folder: Path, hashes: Hashes, labels: NDArray[np.bytes_]) -> None:
    """Writes the files of an index. The folder is there as a whole or not at all; one that is there already stays.

    Args:
        folder: of the new index.
        hashes: (rows, 32) uint8; the number of each is its place.
        labels: (rows,) their labels.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        np.save(unfinished / "labels.npy", labels)
        _write(unfinished, hashes)
        unfinished.replace(folder)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not folder.is_dir():
            raise


def _write(folder: Path, hashes: Hashes) -> None:
    np.save(folder / "hashes.npy", hashes)
    pieces = hashes.view(">u2")
    rows = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.uint32, (PIECES, len(hashes)))
    starts = np.zeros((PIECES, VALUES + 1), np.uint32)
    for number in range(PIECES):
        column = pieces[:, number].astype(np.uint16)
        rows[number] = np.argsort(column, kind="stable")  # a radix sort for 16 bits
        starts[number, 1:] = np.cumsum(np.bincount(column, minlength=VALUES))
    rows.flush()
    np.save(folder / "starts.npy", starts)
