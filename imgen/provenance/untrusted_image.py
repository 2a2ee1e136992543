"""Untrusted pictures: opens files of strangers; one that is too large is refused before a pixel is decoded. Judges no content.

Pillow's own guard is not used: it warns through a process-wide setting, and only after WebP's decoder has allocated its
canvas. So the plugin is chosen here by the first bytes, never by a name or a declared type.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice

from PIL import AvifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from imgen.domain import errors

MAX_PIXELS = 16_000_000

ORIENTATION = 0x0112
"""Number of the EXIF tag."""

_MAX_PARTS = 4096
"""Chunks of a PNG, segments of a JPEG: Pillow walks them in Python, and 4 MiB hold hundreds of thousands of them."""

_START_OF_SCAN = 0xFFDA

_MAX_SCANS = 16
"""Passes of a progressive JPEG, each over the whole picture. libjpeg's own script makes 10."""

_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, AttributeError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""Errors that Pillow's parsers are known to raise on files made to break them."""


@contextmanager
def open_untrusted(
    body: bytes, field: str, formats: tuple[str, ...] = ("PNG", "JPEG", "WEBP")
) -> Iterator[Image.Image]:
    """Opens a picture: its header is read, its pixels are not. An error inside the block counts as a broken file.

    Args:
        body: the file.
        field: the request's field that held it, for the message.
        formats: the accepted ones of PNG, JPEG, WEBP and AVIF.

    Raises:
        errors.InvalidField: another format, over 16 megapixels, built to waste time, or broken.
    """
    try:
        for name in formats:
            matches, plugin, is_sane = _FORMATS[name]
            if matches(body) and is_sane(body):
                with closing(plugin(io.BytesIO(body))) as image:
                    if 0 < image.width * image.height <= MAX_PIXELS:
                        yield image
                        return
    except _BROKEN as exc:
        raise errors.InvalidField(field) from exc
    raise errors.InvalidField(field)


def apply_orientation(image: Image.Image, orientation: object) -> Image.Image:
    """Rotates and flips an image by the value of its EXIF tag; values other than 2–8 leave it as it is."""
    transpose = _TRANSPOSES.get(orientation)
    return image if transpose is None else image.transpose(transpose)


# ------------------------------------------------------------------------ checks before a plugin sees the bytes


def _sane_png(body: bytes) -> bool:
    """Checks that chunks are few and end with IEND: length, name, data, CRC (PNG, section 5.3)."""
    at = 8
    for _ in range(_MAX_PARTS):
        length, name = struct.unpack_from(">I4s", body, at)
        if name == b"IEND":
            return True
        at += 12 + int(length)
    return False


def _sane_jpeg(body: bytes) -> bool:
    """Checks that segments before the first scan are few, and scans too: in a scan's data FF is always followed by 00."""
    at = 2
    for _ in range(_MAX_PARTS):
        marker, length = struct.unpack_from(">HH", body, at)
        if marker == _START_OF_SCAN:
            return sum(1 for _ in islice(_occurrences(body, b"\xff\xda", at), _MAX_SCANS + 1)) <= _MAX_SCANS
        at += 2 + int(length)
    return False


def _sane_webp(body: bytes) -> bool:
    """Checks that the canvas is small enough: the decoder allocates it on opening (RFC 9649, sections 2.5–2.7)."""
    kind = body[12:16]
    if kind == b"VP8X":
        width, height = int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    elif kind == b"VP8L":
        packed = int.from_bytes(body[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 26))
    return bool(width * height <= MAX_PIXELS)


def _sane_avif(body: bytes) -> bool:
    """Accepts any AVIF: on opening, libavif reads the header alone, and refuses over 16,384² by itself."""
    return bool(body)


def _occurrences(body: bytes, needle: bytes, at: int) -> Iterator[int]:
    while (at := body.find(needle, at)) >= 0:
        yield at
        at += len(needle)


_FORMATS: dict[str, tuple[Callable[[bytes], bool], type[ImageFile.ImageFile], Callable[[bytes], bool]]] = {
    "PNG": (lambda body: body[:8] == b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile, _sane_png),
    "JPEG": (lambda body: body[:3] == b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile, _sane_jpeg),
    "WEBP": (lambda body: body[:4] + body[8:12] == b"RIFFWEBP", WebPImagePlugin.WebPImageFile, _sane_webp),
    "AVIF": (lambda body: body[4:12] in (b"ftypavif", b"ftypmif1"), AvifImagePlugin.AvifImageFile, _sane_avif),
}

_TRANSPOSES: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transposition by the value of the tag that undoes the camera's orientation (EXIF 2.32, tag 0x0112)."""
