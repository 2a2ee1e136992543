"""Match lists, the floor over pixels: blocks pictures by their PDQ hash. A changed list counts from the next picture."""

import threading
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.verdict import Verdict
from imgen.provenance.fingerprint import fingerprint
from imgen.provenance.matchlist import LEAST_QUALITY, MATCH_DISTANCE, MatchList, join, parse

log = structlog.get_logger(__name__)

HASH_MATCH = "listed"
"""Rule id of a match in `filter_categories`."""
INCONCLUSIVE = Verdict(
    safe=False,
    codes=("unclear",),
    names=("Could not be compared with the match list",),
    reason="PDQ quality too low to compare, and no reviewer sees pictures",
)
"""Verdict on a picture that is too plain to compare if no reviewer sees pictures."""

_Snapshot = tuple[tuple[str, int, int], ...]
"""Path, time of change (ns) and size (bytes) of each list."""


class HashMatcher:
    """Hashes of all match lists in some folders, `*.csv`."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        """Raises ConfigurationError if a list is broken."""
        self._folders = folders
        self._lock = threading.Lock()
        self._snapshot = self._take_snapshot()
        self._list = self._read(self._snapshot)

    def judge(self, pixels: NDArray[np.uint8]) -> Verdict:
        """Returns the verdict on a picture (H, W, 3) uint8. One too plain to compare is flagged: a reviewer must see it."""
        matches = self._current()
        if not len(matches.hashes):
            return Verdict(safe=True)
        found = fingerprint(pixels)
        if found.quality < LEAST_QUALITY:
            return Verdict(safe=True, flags=(HASH_MATCH,))
        distance = matches.nearest(found.hash)
        if distance is None or distance > MATCH_DISTANCE:
            return Verdict(safe=True)
        reason = f"match list: distance {distance}"
        return Verdict(safe=False, codes=(HASH_MATCH,), names=("Listed picture",), floor=True, reason=reason)

    def _current(self) -> MatchList:
        with self._lock:
            try:
                if any(not Path(name).parent.is_dir() for name, _, _ in self._snapshot):
                    raise ConfigurationError("a folder of match lists is gone")  # noqa: TRY301 - a lost mount, say
                snapshot = self._take_snapshot()
                if snapshot != self._snapshot:
                    self._list, self._snapshot = self._read(snapshot), snapshot
            except (ConfigurationError, OSError) as exc:
                log.warning("match lists not reloaded; the old ones stay in force", reason=str(exc))
            return self._list

    def _take_snapshot(self) -> _Snapshot:
        files = [path for folder in self._folders if folder.is_dir() for path in sorted(folder.glob("*.csv"))]
        states = [(path, path.stat()) for path in files]
        return tuple((str(path), state.st_mtime_ns, state.st_size) for path, state in states)

    @staticmethod
    def _read(snapshot: _Snapshot) -> MatchList:
        try:
            return join(parse(Path(name).read_text("utf-8"), name) for name, _, _ in snapshot)
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigurationError(f"match list: {exc}") from exc
