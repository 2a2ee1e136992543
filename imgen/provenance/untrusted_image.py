"""Untrusted pictures: opens files of strangers; one that is too large is refused before a pixel is decoded. Judges no content.

Pillow's own guard is not used: it warns through a process-wide setting, and only after WebP's decoder has allocated its
canvas. So the plugin is chosen here by the first bytes, never by a name or a declared type.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
from PIL import AvifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from imgen.domain import errors
from imgen.provenance import containers

MAX_PIXELS = 16_000_000

_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, AttributeError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""Errors that Pillow's parsers are known to raise on files made to break them."""


@contextmanager
def open_untrusted(
    body: bytes, field: str, formats: tuple[str, ...] = ("PNG", "JPEG", "WEBP"), max_pixels: int = MAX_PIXELS
) -> Iterator[Image.Image]:
    """Opens a picture: its header is read, its pixels are not. An error inside the block counts as a broken file.

    Args:
        body: the file.
        field: the request's field that held it, for the message.
        formats: the accepted ones of PNG, JPEG, WEBP and AVIF.
        max_pixels: the largest area.

    Raises:
        errors.InvalidField: another format, an area over the limit, built to waste time, or broken.
    """
    try:
        for name in formats:
            matches, open_it = _FORMATS[name]
            if matches(body):
                with closing(open_it(body, max_pixels)) as image:
                    if 0 < image.width * image.height <= max_pixels:
                        yield image
                        return
    except _BROKEN as exc:
        raise errors.InvalidField(field) from exc
    raise errors.InvalidField(field)


def convert(image: Image.Image, mode: str) -> Image.Image:
    """Converts an image, or a part of it, to `RGBA`, or to `RGB`, where transparent pixels show their colour."""
    if mode == "RGB":
        image.info.pop("transparency", None)
    if image.mode != "I;16":
        return image.convert(mode)
    samples = np.asarray(image)  # grey of 16 bits, which Pillow would cut off at 255 instead of scaling
    grey = Image.fromarray((samples >> 8).astype(np.uint8))
    if (transparent := image.info.get("transparency")) is not None:
        grey.putalpha(Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8)))
    return grey.convert(mode)


def turned(image: Image.Image, source: Image.Image) -> Image.Image:
    """Rotates and flips an image as the EXIF of its source says, if that can be read."""
    transpose = _transposition(source)
    return image if transpose is None else image.transpose(transpose)


def turned_size(image: Image.Image) -> tuple[int, int]:
    """Returns width and height that an image has once it is turned as its EXIF says."""
    width, height = image.size
    return (height, width) if _transposition(image) in _QUARTER_TURNS else (width, height)


def _transposition(source: Image.Image) -> Image.Transpose | None:
    exif = source.info.get("exif") or b""
    return _TRANSPOSES.get(containers.orientation(exif.removeprefix(containers.EXIF)))


def media_type(body: bytes) -> str:
    """Returns the media type of a PNG, JPEG, WebP or AVIF file by its first bytes; empty: it is none of them."""
    return next((f"image/{name.lower()}" for name, (matches, _) in _FORMATS.items() if matches(body)), "")


# ------------------------------------------------------------------------ opening, with checks before a plugin sees the bytes


def _open_png(body: bytes, _max_pixels: int) -> ImageFile.ImageFile:
    """Opens a PNG. Pillow scales grey of 2 and 4 bits and colours of 16 bits to 8, but not the transparent one among them."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(containers.plain_png(body)))
    depth, transparent = body[24], image.info.get("transparency")
    if image.mode == "L" and depth < 8 and isinstance(transparent, int):  # noqa: PLR2004 - bits
        image.info["transparency"] = transparent * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16 and isinstance(transparent, tuple):  # noqa: PLR2004 - bits
        image.info["transparency"] = tuple(level >> 8 for level in transparent)
    return image


def _open_jpeg(body: bytes, _max_pixels: int) -> ImageFile.ImageFile:
    plain, exif = containers.plain_jpeg(body)
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(plain))
    image.info["exif"] = exif  # where Pillow puts that of the other kinds, which it does not read unless it is asked
    return image


def _open_webp(body: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Opens a WebP if its canvas is small enough: the decoder allocates it on opening (RFC 9649, sections 2.5–2.7)."""
    kind = body[12:16]
    if kind == b"VP8X":
        width, height = int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    elif kind == b"VP8L":
        packed = int.from_bytes(body[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 26))
    if width * height > max_pixels:
        raise ValueError("a canvas too large")
    return WebPImagePlugin.WebPImageFile(io.BytesIO(body))


def _open_avif(body: bytes, _max_pixels: int) -> ImageFile.ImageFile:
    """Opens an AVIF: libavif reads the header alone, and refuses over 16,384² by itself."""
    return AvifImagePlugin.AvifImageFile(io.BytesIO(containers.plain_avif(body)))


def _is_avif(body: bytes) -> bool:
    """Returns whether a brand of an ISO media file is that of AVIF pictures or sequences (AVIF 1.1, section 6)."""
    brands = body[8 : min(int.from_bytes(body[:4], "big"), 1024)]
    return body[4:8] == b"ftyp" and any(brands[at : at + 4] in {b"avif", b"avis"} for at in range(0, len(brands), 4))


_FORMATS: dict[str, tuple[Callable[[bytes], bool], Callable[[bytes, int], ImageFile.ImageFile]]] = {
    "PNG": (lambda body: body[:8] == b"\x89PNG\r\n\x1a\n", _open_png),
    "JPEG": (lambda body: body[:3] == b"\xff\xd8\xff", _open_jpeg),
    "WEBP": (lambda body: body[:4] + body[8:12] == b"RIFFWEBP", _open_webp),
    "AVIF": (_is_avif, _open_avif),
}

_TRANSPOSES: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transposition by the value of the tag that undoes the camera's orientation (EXIF 2.32, tag 0x0112)."""

_QUARTER_TURNS = frozenset(
    {
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    }
)
"""Transpositions that swap width and height."""
