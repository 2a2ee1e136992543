"""Plain RGB files: PNGs whose pixels are header and picture data alone, so that another program's file may be kept as it came.

No palette, transparency or gamma has a part in pixels of 8-bit RGB as this service reads them (PNG, third edition, section 11).
"""

import struct
import zlib

from imgen.provenance import containers

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(_SIGNATURE) + 4 + 4 + 13 + 4
"""End of the first chunk, IHDR: its length, name, data and checksum."""
_EIGHT_BIT_RGB = bytes([8, 2, 0, 0, 0])
"""Bits, kind of colour, compression, filter, and no interlacing: the end of the header's data."""
_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))


def plain_rgb(body: bytes) -> bytes:
    """Returns a PNG of 8-bit RGB without anything but header and picture data; empty: it is another file, or cut off."""
    if not body.startswith(_SIGNATURE) or body[12:16] != b"IHDR" or body[24 : _HEADER_END - 4] != _EIGHT_BIT_RGB:
        return b""
    view = memoryview(body)
    try:
        data = [view[start - 8 : end] for name, start, end in containers.png_chunks(body) if name == b"IDAT"]
    except (struct.error, ValueError):
        return b""
    return b"".join([view[:_HEADER_END], *data, _END])


def with_exif(png: bytes, exif: bytes) -> bytes:
    """Returns a file of `plain_rgb` with EXIF, which readers find before the picture data; none where that is empty."""
    if not exif:
        return png
    named = b"eXIf" + exif.removeprefix(containers.EXIF)
    chunk = struct.pack(">I", len(named) - 4) + named + struct.pack(">I", zlib.crc32(named))
    return b"".join([png[:_HEADER_END], chunk, memoryview(png)[_HEADER_END:]])
