"""Where bytes live: one Protocol, two implementations (disk.py, s3.py), chosen by settings."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class ObjectInfo(NamedTuple):
    """One stored object, as listings tell it."""

    key: str
    size_bytes: int
    modified_at: float
    """Seconds since the epoch."""


class ObjectStore(Protocol):
    """A flat space of keys.

    A key is `/`-separated words of `[A-Za-z0-9._-]` with at most 255 characters each and 512 in all, no `.` or `..` among
    them, and never lies below another key. Implementations are blocking and thread-safe. Errors (imgen.domain.errors):
    `ObjectNotFound` for a missing key, `ValueError` for a bad one, `Retryable` for everything that the same call may
    survive later, `ConfigurationError` for what an operator has to mend.
    """

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Stores atomically: readers see all of it or nothing. A key that is there is left as it is and counts as done."""

    def get(self, key: str) -> bytes:
        """The whole object."""

    def exists(self, key: str) -> bool:
        """Whether the key is stored."""

    def delete(self, key: str) -> None:
        """Removes the key; a missing one is no error."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key starts with the prefix, in key order."""

    def url(self, key: str, *, expires_s: int = 3600, filename: str = "") -> str:
        """A pre-signed GET address, good for 1 to 604,800 seconds; no I/O, and no look whether the key is there."""

    def check(self) -> str:
        """One line for `imgen doctor` that tells where it stores, after a real write, read and delete.

        Raises:
            Retryable: it does not work; the message says why.
        """
