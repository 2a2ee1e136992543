"""Containers of strangers' pictures: keeps of a JPEG or PNG what a decoder needs, and drops what it might stumble over.

Cameras and programs write much that is broken and harmless: metadata cut off or with a wrong checksum, fill bytes, a film behind
the picture. Of a stranger's metadata only the orientation is used, so all of it goes before a decoder sees it.
"""

import re
import struct
import zlib
from collections.abc import Iterator

MAX_PARTS = 4096
"""Chunks of a PNG, segments of a JPEG: they are walked in Python, and 4 MiB hold hundreds of thousands of them."""

MAX_SCANS = 16
"""Passes of a progressive JPEG, each over the whole picture. libjpeg's own script makes 10."""

_JPEG_MARKER = re.compile(rb"\xff([\x01\xc0-\xcf\xd8-\xfe])", re.DOTALL)
"""Marker, restarts within a scan left out: data of a scan has FF before 00 and restarts alone, and FF before FF is filling."""

_TEM, _SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0x01, 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE

_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))

EXIF = b"Exif\0\0"
"""Bytes before EXIF in a JPEG; the block itself follows."""

_ORIENTATION, _SHORT = 0x0112, 3

_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{3}.{4,6})Exif", re.DOTALL)
"""Item info entry: version, flags, id of 16 or 32 bits, protection, type (ISO 14496-12, section 8.11.6)."""

_PNG_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}


def plain_jpeg(body: bytes) -> tuple[bytes, bytes]:
    """Returns a JPEG up to its end of image, without metadata and filling (ITU T.81, annex B); and its EXIF.

    Left of the metadata are JFIF and Adobe, by which decoders tell the colours. A file without an end stays without.

    Raises:
        ValueError: it has too many segments or scans, or no scan.
        struct.error: it is cut off within its header.
    """
    view, kept, exif, scans = memoryview(body), [memoryview(b"\xff\xd8")], b"", 0
    for marker, content, end in jpeg_segments(body):
        scans += marker == _SOS
        if scans > MAX_SCANS:
            raise ValueError("too many scans")
        if _is_needed(marker, view[content:end]):
            kept += [memoryview(bytes([0xFF, marker])), view[content - 2 * (marker != _EOI) : end]]
        elif marker == _APP1 and body.startswith(EXIF, content):
            exif = exif or body[content + len(EXIF) : end]
    if not scans:
        raise ValueError("no picture")
    return b"".join(kept), exif


def jpeg_segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields marker, and start and end of its content; a scan's content goes on to the next marker. Ends with the image.

    Raises:
        ValueError: it has too many segments.
        struct.error: it is cut off within its header.
    """
    at, has_scan = 2, False
    for _ in range(MAX_PARTS):
        found = _JPEG_MARKER.search(body, at)
        if found is None:
            return
        marker, at = found[1][0], found.end()
        if marker == _EOI and has_scan:
            yield marker, at, at
            return
        if marker in {_TEM, _SOI, _EOI}:
            continue
        (length,) = struct.unpack_from(">H", body, at)
        content, at = at + 2, at + length
        if at < content or at > len(body):
            raise ValueError("a segment longer than the file")
        if marker == _SOS:
            following = _JPEG_MARKER.search(body, at)
            at, has_scan = following.start() if following else len(body), True
        yield marker, content, at
    raise ValueError("too many segments")


def orientation(exif: bytes) -> int:
    """Returns the orientation in a block of EXIF, a TIFF without pixels (TIFF 6.0, section 2); 1: none can be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for place in range(start + 2, start + 2 + 12 * min(count, MAX_PARTS), 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, place)
            if (tag, kind) == (_ORIENTATION, _SHORT):
                return int(value)
    except struct.error:
        pass
    return 1


def plain_png(body: bytes) -> bytes:
    """Returns a PNG up to its end, without metadata (PNG, third edition, section 5).

    Left are the critical chunks, the transparent colour, and EXIF and texts if their checksum is right: the decoder limits what
    they may unfold to.

    Raises:
        ValueError: it has too many chunks.
        struct.error: it is cut off.
    """
    view = memoryview(body)
    kept = [view[:8]]
    for name, start, end in png_chunks(body):
        if _is_picture(name) or _is_good_metadata(name, view[start:end]):
            kept.append(view[start - 8 : end])
    return b"".join([*kept, _END])


def png_chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, and start and end of data and checksum of each chunk before the end of the image.

    Raises:
        ValueError: it has too many chunks.
        struct.error: it is cut off.
    """
    at = 8
    for _ in range(MAX_PARTS):
        length, name = struct.unpack_from(">I4s", body, at)
        if name == b"IEND":
            return
        yield name, at + 8, at + 12 + length
        at += 12 + length
    raise ValueError("too many chunks")


def plain_avif(body: bytes) -> bytes:
    """Returns an AVIF whose EXIF is an item of a kind that no decoder knows: libavif refuses a picture for broken EXIF.

    AVIF tells the orientation by properties of its own (MIAF, section 7.3.6.7).
    """
    return _EXIF_ITEM.sub(rb"\1none", body)


def _is_needed(marker: int, content: memoryview) -> bool:
    """Returns whether a decoder needs a segment."""
    if marker == _APP0:
        return bytes(content[:5]) == b"JFIF\0" and len(content) >= 14  # noqa: PLR2004 - JFIF 1.02
    if marker == _APP14:
        return bytes(content[:5]) == b"Adobe" and len(content) >= 12  # noqa: PLR2004 - Adobe Technical Note 5116
    return not (_APP0 < marker <= _APP15 or marker == _COM)


def _is_picture(name: bytes) -> bool:
    """Returns whether a chunk is critical, which its first letter says, or says what is transparent."""
    return not name[0] & 0x20 or name == b"tRNS"


def _is_good_metadata(name: bytes, rest: memoryview) -> bool:
    """Returns whether a chunk may hold the orientation and is whole; `rest` is its data and checksum."""
    data, checksum = rest[:-4], bytes(rest[-4:])
    if name not in _PNG_TEXTS | {b"eXIf"} or zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(checksum, "big"):
        return False
    return name != b"zTXt" or bytes(data).partition(b"\0")[2][:1] == b"\0"  # another method of compression is none
