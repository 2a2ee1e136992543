"""Reloader of the operator's files, which the API and the workers share."""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from imgen.domain.errors import ConfigurationError

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Reloader(Generic[T]):
    """Reloader of files by their epoch. Files with an error change nothing."""

    def __init__(self, read: Callable[[], T]) -> None:
        """Takes `read`, which loads the files and raises ConfigurationError or OSError if one of them is wrong."""
        self._read = read
        self._epoch: bytes | None = None

    def is_due(self, epoch: bytes | None) -> bool:
        """Returns whether the epoch has changed. None, its value before the first change, counts as unchanged."""
        return epoch is not None and epoch != self._epoch

    def reload(self, epoch: bytes | None) -> T | None:
        """Reads the files under this epoch; None: they are wrong, and the caller keeps the old ones."""
        self._epoch = epoch
        try:
            value = self._read()
        except (ConfigurationError, OSError) as exc:
            log.warning("configuration not read again; the old one stays", reason=str(exc))
            return None
        log.info("configuration read again")
        return value
