"""Match lists, PDQ hashes of pictures that must never be shown: parses ThreatExchange's CSV, finds the nearest hash. No I/O.

A row is `hash[,descriptor id[,time[,labels]]]`, as python-threatexchange writes it; a header is skipped, further columns are
ignored. A hundred thousand hashes are 3.2 MB, and each search compares with all of them.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError

MATCH_DISTANCE = 31
"""Bits out of 256 in which two pictures that count as the same may differ (the PDQ paper, 2019)."""
LEAST_QUALITY = 50
"""PDQ quality below which neither a match nor its absence means anything."""

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_WORDS = 4  # of 64 bits


@dataclass(frozen=True)
class MatchList:
    """Hashes, (n, 4) uint64, in the order of their rows."""

    hashes: NDArray[np.uint64]

    def nearest(self, fingerprint: str) -> int | None:
        """Returns the least distance, 0–256, of the list's hashes to one of 64 hex digits; None: the list is empty."""
        if not len(self.hashes):
            return None
        differing = np.bitwise_count(self.hashes ^ _words([fingerprint]))
        return int(differing.sum(axis=1, dtype=np.uint16).min())


def parse(text: str, name: str = "match list") -> MatchList:
    """Parses CSV text.

    Raises:
        ConfigurationError: a row holds no hash; the message names the row. No part of the list is used then: half a list would
            let through the pictures of the other half.
    """
    found: list[str] = []
    for number, row in enumerate(csv.reader(text.removeprefix("\ufeff").splitlines()), start=1):
        cell = row[0].strip() if row else ""
        if not cell or cell.startswith("#"):
            continue
        if _HASH.fullmatch(cell):
            found.append(cell)
        elif found or number > 1:
            raise ConfigurationError(f"{name}, line {number}: no PDQ hash of 64 hex digits")
    return MatchList(_words(found))


def join(lists: Iterable[MatchList]) -> MatchList:
    """Joins several lists."""
    return MatchList(np.concatenate([_words([]), *(one.hashes for one in lists)]))


def _words(hashes: list[str]) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, _WORDS)
