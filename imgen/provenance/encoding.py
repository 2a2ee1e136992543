"""Encoding of pixels as file bytes and back, and thumbnails. For our own pictures; files of callers: untrusted_image.py.

Settings are the fast end of each encoder, and the same pixels give the same bytes. No EXIF, ICC or XMP is written:
pixels are sRGB, as viewers assume for a file without a profile.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

if not features.check("avif"):  # a Pillow without it, as some distributions build it
    import pillow_avif  # noqa: F401 - it registers the format

MIME = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif"}

THUMBNAIL_PIXELS = 384
"""Pixels of a thumbnail's long edge."""

_THUMBNAIL_QUALITY = 85

_FULL_CHROMA = 90
"""Least quality at which JPEG and AVIF keep colour at full resolution; half the resolution shows on hard edges."""


def encode(pixels: NDArray[np.uint8], file_format: str, *, quality: int, lossless: bool = False) -> bytes:
    """Encodes a picture (H, W, 3) uint8, sRGB, as file bytes.

    Args:
        pixels: the picture.
        file_format: a key of `MIME`.
        quality: 1–100; means nothing to PNG.
        lossless: for WebP exact; for AVIF within 3 levels, since neither Pillow nor its plugin lets AV1 code RGB
            without going through YUV. JPEG and PNG ignore it.
    """
    file = io.BytesIO()
    options = _LOSSLESS[file_format] if lossless and file_format in _LOSSLESS else _LOSSY[file_format](quality)
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()


def decode(body: bytes) -> NDArray[np.uint8]:
    """Decodes a file that `encode` made to (H, W, 3) uint8. Not for strangers' files."""
    with Image.open(io.BytesIO(body), formats=tuple(MIME)) as image:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def thumbnail(pixels: NDArray[np.uint8], file_format: str, *, side: int = THUMBNAIL_PIXELS) -> bytes:
    """Encodes a thumbnail, of so many pixels at its long edge, never larger than the picture."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=1.5)
    return encode(np.asarray(image), file_format, quality=_THUMBNAIL_QUALITY)


def enlarge(body: bytes, file_format: str, *, size: tuple[int, int], quality: int) -> bytes:
    """Encodes a small file of ours, such as a preview, anew at another size (width, height)."""
    with Image.open(io.BytesIO(body), formats=tuple(MIME)) as image:
        large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    return encode(np.asarray(large), file_format, quality=quality)


def _jpeg(quality: int) -> dict[str, Any]:
    return {"quality": quality, "subsampling": "4:4:4" if quality >= _FULL_CHROMA else "4:2:0"}


def _png(_quality: int) -> dict[str, Any]:
    return {"compress_level": 1}


def _webp(quality: int) -> dict[str, Any]:
    return {"quality": quality, "method": 2}


def _avif(quality: int) -> dict[str, Any]:
    # One thread: bytes that do not depend on the machine, and there is a worker process per core anyway
    return {**_jpeg(quality), "speed": 8, "max_threads": 1}


_LOSSY: dict[str, Callable[[int], dict[str, Any]]] = {"jpeg": _jpeg, "png": _png, "webp": _webp, "avif": _avif}

_LOSSLESS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True, "quality": 20, "method": 1},  # here quality is effort: photographs as small as at 80
    "avif": _avif(100),
}
