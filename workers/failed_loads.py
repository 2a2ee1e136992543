"""Failed loads of a worker process, remembered: each new try could cost the models that work."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from imgen.domain.errors import ImgenError, ModelError

REMEMBERED_S = 300.0
"""Time for which a load is not tried again whose failure may pass by itself, such as memory that ran out or a disk's error."""

Files = tuple[tuple[str, int, int, int], ...]
"""Path, size and times of each file."""


@dataclass(frozen=True)
class _FailedLoad:
    entry: object
    files: Files
    error: ImgenError
    until: float


class FailedLoads:
    """Failed loads by key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, _FailedLoad] = {}

    def remember(self, key: str, entry: object, files: Files, error: ImgenError) -> None:
        """Remembers a failure: a broken model for as long as entry and files stay as they are, others for `REMEMBERED_S`.

        Args:
            key: of what was to be loaded.
            entry: its configuration.
            files: its files as they were before the load, see `state_of`.
            error: raised by the load.
        """
        until = self._clock() + REMEMBERED_S if _may_pass(error) else float("inf")
        self._failed[key] = _FailedLoad(entry, files, error, until)

    def refuse(self, key: str, entry: object, files: Files) -> None:
        """Raises the error of the last load again if it would fail again."""
        failed = self._failed.get(key)
        if failed is None:
            return
        if (failed.entry, failed.files) != (entry, files) or self._clock() >= failed.until:
            del self._failed[key]
            return
        raise type(failed.error)(str(failed.error))

    def clear(self) -> None:
        """Forgets all of them."""
        self._failed.clear()


def state_of(paths: Iterable[Path]) -> Files:
    """Returns sizes and times of all files of folders and single files; those of a single file's configuration included."""
    found = []
    for path in paths:
        folder = path if path.is_dir() else path.with_suffix("")
        for file in (path, *folder.glob("*"), *folder.glob("*/*")):
            try:
                stat = file.stat()
            except OSError:
                continue
            found.append((str(file), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(sorted(found))


def _may_pass(error: ImgenError) -> bool:
    """Returns whether a failure says nothing about the files: the device's, or the operating system's while it read them."""
    cause = error.__cause__
    while isinstance(cause, ImgenError):
        cause = cause.__cause__
    is_of_system = isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, FileNotFoundError)
    return is_of_system or not isinstance(error, ModelError)
