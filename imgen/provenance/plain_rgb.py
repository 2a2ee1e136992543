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
_FILTERS = 5
"""Filters by which a row may be told from the one above it: the first byte of each row names one."""


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


def size(png: bytes) -> tuple[int, int]:
    """Returns width and height of a file of `plain_rgb`."""
    width, height = struct.unpack_from(">II", png, 16)
    return width, height


def is_whole(png: bytes) -> bool:
    """Returns whether every decoder will find all rows of a file of `plain_rgb`. Costs half of decoding it.

    The picture data has to inflate to exactly these rows; whoever calls has judged the size.
    """
    width, height = size(png)
    row_bytes = 1 + 3 * width
    view, inflating = memoryview(png), zlib.decompressobj()
    chunks = list(containers.png_chunks(png))
    if any(zlib.crc32(view[start - 4 : end - 4]) != int.from_bytes(view[end - 4 : end]) for _, start, end in chunks):
        return False
    data = b"".join([view[start : end - 4] for name, start, end in chunks if name == b"IDAT"])
    try:
        rows = inflating.decompress(data, height * row_bytes + 1)
    except zlib.error:
        return False
    is_exact = inflating.eof and not inflating.unused_data and len(rows) == height * row_bytes
    return is_exact and max(rows[::row_bytes]) < _FILTERS


def with_exif(png: bytes, exif: bytes) -> bytes:
    """Returns a file of `plain_rgb` with EXIF, which readers find before the picture data; none where that is empty."""
    if not exif:
        return png
    named = b"eXIf" + exif.removeprefix(containers.EXIF)
    chunk = struct.pack(">I", len(named) - 4) + named + struct.pack(">I", zlib.crc32(named))
    return b"".join([png[:_HEADER_END], chunk, memoryview(png)[_HEADER_END:]])
