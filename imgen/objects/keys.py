"""Keys of every store: their form, the bounds of a URL's lifetime, and the probe. Does no I/O of its own."""

import re
import secrets
from typing import TYPE_CHECKING

from imgen.domain.errors import ObjectStoreUnavailable

if TYPE_CHECKING:
    from imgen.objects import ObjectStore

MAX_KEY_LENGTH = 512
MAX_EXPIRES_S = 7 * 24 * 3600
"""Longest lifetime of a pre-signed URL in S3; the other stores keep to it."""

# A word is also a file name on disk: 255 bytes is what ext4, XFS and APFS take.
_KEY = re.compile(r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]{1,255})*")
_PREFIX = re.compile(r"[A-Za-z0-9._/-]*")


def checked_key(key: str) -> str:
    """Returns the key if its form is valid.

    Raises:
        ValueError: it is not `/`-separated words of `[A-Za-z0-9._-]`, or too long.
    """
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(f"Bad object key {key[:80]!r}")
    return key


def checked_prefix(prefix: str) -> str:
    """Returns the prefix if its form is valid: the beginning of a key, cut anywhere; empty: every key.

    Raises:
        ValueError: no key can begin like that.
    """
    if len(prefix) > MAX_KEY_LENGTH or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"Bad object prefix {prefix[:80]!r}")
    return prefix


def checked_expiry(expires_s: int) -> int:
    """Returns the lifetime of a URL if it is within bounds.

    Raises:
        ValueError: it is not 1 second to 7 days.
    """
    if not 1 <= expires_s <= MAX_EXPIRES_S:
        raise ValueError(f"An address lasts 1 to {MAX_EXPIRES_S} seconds, not {expires_s}")
    return expires_s


def checked_part(key: str, part: bytes, size_bytes: int) -> bytes:
    """Returns the part of an object if it is whole.

    Raises:
        ObjectStoreUnavailable: it is not.
    """
    if len(part) != size_bytes:
        raise ObjectStoreUnavailable(f"{key}: {len(part)} bytes came instead of {size_bytes}")
    return part


def probe(store: "ObjectStore") -> bool:
    """Writes, writes again, reads and removes an object of its own. True: the second write changed nothing.

    Raises:
        ObjectStoreUnavailable: the body read is neither of the two; or the store's own errors.
    """
    key = f"check/{secrets.token_hex(8)}"
    first, second = b"first", b"second"
    try:
        store.put(key, first, "text/plain")
        store.put(key, second, "text/plain")
        body = store.get(key)
    finally:
        store.delete(key)
    if body not in (first, second):
        raise ObjectStoreUnavailable(f"The object store answers with {len(body)} bytes that were never written")
    return body == first
