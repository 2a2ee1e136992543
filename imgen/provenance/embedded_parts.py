"""Embedded parts of a picture's file that its pixels do not need: the ICC profile, and whether there is a C2PA manifest store.

Nothing is decoded that the file does not hold as it is; a broken container has no parts.
"""

import struct
import zlib
from collections.abc import Iterator

from imgen.provenance import containers

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Profiles of presses with their tables have up to 3 MB; a larger one counts as none."""

_APP2, _APP11 = 0xE2, 0xEB
_ICC = b"ICC_PROFILE\0"
"""Bytes before a part of a profile in a JPEG; its number and the number of parts follow (ICC.1, annex B.4)."""
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Type of the box that holds a manifest store in ISO media files (C2PA 2.2, section A.3)."""
_BROKEN = (struct.error, ValueError, zlib.error)


def icc_profile(body: bytes) -> bytes:
    """Returns the ICC profile of a JPEG, PNG or WebP; empty: it has none, or one that is cut off or too large."""
    try:
        profile = _FINDERS[body[:2]](body)
    except (*_BROKEN, LookupError):
        return b""
    return profile if len(profile) <= MAX_PROFILE_BYTES else b""


def has_manifest(body: bytes) -> bool:
    """Returns whether a JPEG, PNG, WebP or AVIF holds a C2PA manifest store; whether that is valid is another question."""
    try:
        if body.startswith(b"\xff\xd8"):
            found = (
                marker == _APP11 and body[start : start + 2] == b"JP" and b"c2pa" in body[start:end]
                for marker, start, end in containers.jpeg_segments(body)
            )
            return any(found)
        if body.startswith(b"\x89PNG"):
            return any(name == b"caBX" for name, _, _ in containers.png_chunks(body))
        if body.startswith(b"RIFF"):
            return any(name == b"C2PA" for name, _, _ in _riff_chunks(body))
    except _BROKEN:
        return False
    return body[4:8] == b"ftyp" and _C2PA_UUID in body


def _jpeg_profile(body: bytes) -> bytes:
    parts = {}
    for marker, start, end in containers.jpeg_segments(body):
        if marker == _APP2 and body.startswith(_ICC, start):
            number, count = body[start + len(_ICC)], body[start + len(_ICC) + 1]
            parts[number] = body[start + len(_ICC) + 2 : end]
            if len(parts) == count:
                return b"".join(parts[number] for number in sorted(parts))
    return b""


def _png_profile(body: bytes) -> bytes:
    for name, start, end in containers.png_chunks(body):
        if name == b"iCCP":
            packed = body[start : end - 4].partition(b"\0")[2][1:]
            unfold = zlib.decompressobj()
            profile = unfold.decompress(packed, MAX_PROFILE_BYTES + 1)
            return profile if unfold.eof else b""
        if name == b"IDAT":
            break
    return b""


def _webp_profile(body: bytes) -> bytes:
    return next((body[start:end] for name, start, end in _riff_chunks(body) if name == b"ICCP"), b"")


def _riff_chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, and start and end of the data of each whole chunk (RFC 9649, section 2.3)."""
    at = 12
    for _ in range(containers.MAX_PARTS):
        if at + 8 > len(body):
            return
        name, length = struct.unpack_from("<4sI", body, at)
        if at + 8 + length > len(body):
            return
        yield name, at + 8, at + 8 + length
        at += 8 + length + length % 2


_FINDERS = {b"\xff\xd8": _jpeg_profile, b"\x89P": _png_profile, b"RI": _webp_profile}
"""Finder of a profile by a file's first two bytes."""
