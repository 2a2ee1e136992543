"""Bodies with pictures in base64, made in pieces: an object is read part by part, and no whole picture is in memory."""

import binascii
import secrets
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from imgen.objects import ObjectStore
from imgen.threads import OBJECTS

PIECE_BYTES = 3 << 18
"""Bytes of an object that are read at a time: a multiple of three, so that base64 of pieces is that of the whole."""
_encode = msgspec.json.Encoder().encode


class Embedded(NamedTuple):
    """Object that stands in a body as base64."""

    key: str
    size_bytes: int
    mark: str
    """Text in its place until it is sent; random, so that nothing else contains it."""


Parts = Sequence[bytes | Embedded]


async def embed(store: ObjectStore, key: str) -> Embedded:
    """Prepares an object for a body.

    Raises:
        ObjectNotFound: it is not stored.
        Retryable: the store does not answer.
    """
    return Embedded(key, await OBJECTS.run(store.size_of, key), secrets.token_hex(16))


def encoded(value: Struct, embedded: Iterable[Embedded]) -> Parts:
    """Encodes a value as JSON and cuts it at the marks of its objects, which are in their order."""
    parts: list[bytes | Embedded] = []
    rest = _encode(value)
    for one in embedded:
        before, _, rest = rest.partition(one.mark.encode())
        parts += [before, one]
    return [*parts, rest]


def size_of(parts: Parts) -> int:
    """Returns the length of a body."""
    return sum(len(part) if isinstance(part, bytes) else -(-part.size_bytes // 3) * 4 for part in parts)


async def pieces(store: ObjectStore, parts: Parts) -> AsyncGenerator[bytes, None]:
    """Yields a body in pieces of a megabyte at most, apart from its own bytes.

    Raises:
        ObjectNotFound, Retryable: an object cannot be read any more.
    """
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        for start in range(0, part.size_bytes, PIECE_BYTES):
            wanted = min(PIECE_BYTES, part.size_bytes - start)
            yield binascii.b2a_base64(await OBJECTS.run(store.get_part, part.key, start, wanted), newline=False)
