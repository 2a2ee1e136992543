"""Match lists, the floor over pixels: blocks pictures by their PDQ hash. A changed list counts from the next picture."""

import threading
from collections.abc import Hashable, Iterable
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.verdict import Verdict, floor_verdict
from imgen.provenance.fingerprint import Fingerprint, fingerprint, orientations
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
        return _compare(matches, found) or Verdict(safe=True)

    def judge_views(self, views: Iterable[NDArray[np.uint8]]) -> Verdict:
        """Returns the verdict on a picture that becomes part of another, seen in several views, each turned and mirrored.

        A view too plain to compare is passed over: most logos are plain, and the whole picture is judged once it is made.
        """
        matches = self._current()
        if not len(matches.hashes):
            return Verdict(safe=True)
        found = (turned for view in views for turned in orientations(view) if turned.quality >= LEAST_QUALITY)
        return next(filter(None, (_compare(matches, turned) for turned in found)), Verdict(safe=True))

    @property
    def is_empty(self) -> bool:
        """Returns whether the lists hold no hash."""
        return not len(self._current().hashes)

    @property
    def version(self) -> Hashable:
        """Value that changes with every change of a list."""
        self._current()
        return self._snapshot

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


def _compare(matches: MatchList, found: Fingerprint) -> Verdict | None:
    """Returns the floor's verdict if a hash is near a listed one, else None."""
    distance = matches.nearest(found.hash)
    if distance is None or distance > MATCH_DISTANCE:
        return None
    return floor_verdict(HASH_MATCH, "Listed picture", f"match list: distance {distance}")
