"""Exact nearest-neighbour search in memory, one matrix for each partition.

Vectors are passed as bytes: little-endian float32 of length 1.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy import float32
from numpy.typing import NDArray

_FIRST_ROWS = 1
_Where = tuple[str, int]
"""Name of a partition and dimension of its vectors: vectors of two dimensions cannot be compared."""


class VectorIndex:
    """Index of vectors by id. One thread changes it while others search: the rows they read do not change."""

    def __init__(self) -> None:
        self._partitions: dict[_Where, _Partition] = {}
        self._partition_of: dict[str, _Where] = {}

    def __len__(self) -> int:
        return len(self._partition_of)

    def __contains__(self, entry_id: object) -> bool:
        return entry_id in self._partition_of

    def add(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Adds (id, partition, vector); a present id is left unchanged."""
        for entry_id, name, written in entries:
            if entry_id in self._partition_of:
                continue
            vector = np.frombuffer(written, "<f4")
            where = name, vector.size
            partition = self._partitions.get(where)
            if partition is None:
                partition = self._partitions[where] = _Partition(vector.size)
            partition.add(entry_id, vector)
            self._partition_of[entry_id] = where

    def remove(self, entry_ids: Iterable[str]) -> None:
        """Removes ids; unknown ones are ignored."""
        gone: dict[_Where, set[str]] = {}
        for entry_id in entry_ids:
            if (where := self._partition_of.pop(entry_id, None)) is not None:
                gone.setdefault(where, set()).add(entry_id)
        for where, ids in gone.items():
            left = self._partitions[where].without(ids)
            if left is None:
                del self._partitions[where]
            else:
                self._partitions[where] = left

    def nearest(self, name: str, vector: bytes, *, over: float, limit: int) -> list[tuple[str, float]]:
        """Returns (id, cosine) of at most `limit` entries of a partition with a cosine above `over`, best first."""
        wanted = np.frombuffer(vector, "<f4")
        partition = self._partitions.get((name, wanted.size))
        if partition is None:
            return []
        ids, rows = partition.snapshot()
        likeness = rows @ wanted
        near = np.flatnonzero(likeness > over)
        if near.size > limit:
            near = near[np.argpartition(likeness[near], near.size - limit)[near.size - limit :]]
        near = near[np.argsort(-likeness[near], kind="stable")]
        return [(ids[place], float(likeness[place])) for place in near.tolist()]


class _Partition:
    """Matrix of one partition. It doubles when full; rows are only appended."""

    def __init__(self, width: int, rows: int = _FIRST_ROWS) -> None:
        self.width = width
        self._rows = np.empty((rows, width), float32)
        self._ids: list[str] = []

    def add(self, entry_id: str, vector: NDArray[float32]) -> None:
        used = len(self._ids)
        if used == len(self._rows):
            grown = np.empty((2 * used, self.width), float32)
            grown[:used] = self._rows
            self._rows = grown
        self._rows[used] = vector
        self._ids.append(entry_id)  # last: a search sees complete rows

    def snapshot(self) -> tuple[Sequence[str], NDArray[float32]]:
        ids, rows = self._ids, self._rows
        return ids, rows[: min(len(ids), len(rows))]

    def without(self, ids: set[str]) -> "_Partition | None":
        """Returns a copy without some rows; None: nothing is left."""
        kept = [place for place, entry_id in enumerate(self._ids) if entry_id not in ids]
        if not kept:
            return None
        left = _Partition(self.width, max(_FIRST_ROWS, len(kept)))
        left._rows[: len(kept)] = self._rows[kept]
        left._ids = [self._ids[place] for place in kept]
        return left
