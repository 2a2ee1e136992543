"""Object stores: one Protocol, two implementations (disk.py, s3.py), chosen by settings; and those that our API serves."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable


class ObjectInfo(NamedTuple):
    """Entry of a listing."""

    key: str
    size_bytes: int
    modified_at: float
    """Unix time of the last change."""


class ObjectStore(Protocol):
    """Object store with a flat space of keys, shared by all API processes and workers of all hosts.

    A key is `/`-separated words of `[A-Za-z0-9._-]` with at most 255 characters each and 512 in all, no `.` or `..` among
    them, and never lies below another key. Implementations are blocking and thread-safe. Errors (imgen.domain.errors):
    `ObjectNotFound` for a missing key, `ValueError` for a bad one, `Retryable` for failures that may not recur with the same
    call later, `ConfigurationError` for those that an operator has to mend.
    """

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Stores atomically: readers see all of it or nothing. A key that is there is left as it is and counts as done."""

    def get(self, key: str) -> bytes:
        """Returns the whole object."""

    def size_of(self, key: str) -> int:
        """Returns the size of an object in bytes."""

    def get_part(self, key: str, start: int, size_bytes: int) -> bytes:
        """Returns so many bytes of an object, at least one, from `start` on; all of them are within it.

        Raises:
            ObjectStoreUnavailable: the object is shorter.
        """

    def exists(self, key: str) -> bool:
        """Returns whether the key is stored."""

    def delete(self, key: str) -> None:
        """Removes the key; a missing one is no error."""

    def delete_many(self, keys: Iterable[str]) -> dict[str, str]:
        """Removes keys, in few requests. Returns key → reason of those that are still stored: one of them stops no other.

        Raises:
            Retryable, ConfigurationError: the store as a whole does not answer; some of the keys may be removed.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Lists all objects whose key starts with the prefix, in key order; reads no more than those and their folders."""

    def url(self, key: str, *, expires_s: int = 3600, filename: str = "") -> str:
        """Returns a pre-signed GET URL, valid for 1 to 604,800 seconds; does no I/O and does not check that the key exists."""

    def check(self) -> str:
        """Writes, reads and deletes an object. Returns one line for `imgen doctor` with the place of the objects.

        Raises:
            Retryable: it does not work; the message says why.
        """


class SignedFile(NamedTuple):
    """File that the holder of a pre-signed URL may have."""

    path: Path
    stat: os.stat_result
    filename: str
    """Name to save it under."""
    expires_in_s: int


@runtime_checkable
class ServedStore(Protocol):
    """Object store whose pre-signed URLs lead to our API (imgen/surfaces/files.py), not to a server of the store's own."""

    def file_of(self, key: str) -> tuple[Path, os.stat_result]:
        """Returns the file of a key, and its state.

        Raises:
            ObjectNotFound: it is not stored.
        """

    def open_signed(self, key: str, query: Mapping[str, str]) -> SignedFile:
        """Opens the file of a URL that `url` made; checks the signature before anything else.

        Raises:
            Forbidden: absent, wrong or expired signature.
            ObjectNotFound: properly signed, but not (or no longer) stored.
        """
