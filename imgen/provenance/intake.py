"""Intake: the one gate for a source or a mask. Whatever a client sent leaves it as a plain PNG of 8 bits, or is refused.

The format is told by the content. Size and shape are checked before a pixel is decoded. EXIF orientation is applied, colours
become sRGB, transparent pixels lie on white, an animation gives its first frame, and all metadata is dropped. Judges no content:
match lists and reviewers see the result before a worker uses it.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops

from imgen.domain import errors
from imgen.domain.recipe import REDRAWN
from imgen.provenance import embedded_parts, untrusted_image
from imgen.provenance.color_management import to_srgb

MAX_PIXELS = 32_000_000
MIN_SIDE = 32
"""Pixels of the shorter side, at least; a smaller picture is no source of anything."""
OPAQUE = 255
MAX_RATIO = 16
"""Longer side to the shorter one, at most: scaled to cover a picture, a strip would become a hundred megapixels."""
OUTSIDE_FORMATS = ("PNG", "JPEG", "WEBP")
OWN_FORMATS = (*OUTSIDE_FORMATS, "AVIF")
"""Formats of pictures that this service signed."""

ALPHA_SIDE = 2048
"""Long side of the kept transparency: masks of products are made at a smaller size."""
_BAND_PIXELS = 1 << 18
"""Pixels of a strip: a picture is converted strip by strip, so that no third copy of it is held."""
_COMPRESS_LEVEL = 1
"""Of zlib: a sixth of the time of Pillow's default, for 15 % more bytes."""


@dataclass(frozen=True, kw_only=True)
class TakenPicture:
    """Picture that passed the gate."""

    body: bytes
    """PNG without metadata: 8-bit sRGB of a source, 8-bit grey of a mask."""
    width: int
    height: int
    alpha: bytes = b""
    """PNG of a source's transparency, 8-bit grey, at most ALPHA_SIDE long: white is opaque; empty: all of it is."""
    original: bytes = b""
    """File as it was sent, if it holds a C2PA manifest store; else empty."""
    is_black: bool = False
    """Whether it is a mask that lets nothing be redrawn."""


def take_source(body: bytes, field: str, *, formats: tuple[str, ...] = OUTSIDE_FORMATS) -> TakenPicture:
    """Takes a picture to draw from.

    Args:
        body: the file.
        field: the request's field that held it, for the message.
        formats: the accepted ones.

    Raises:
        errors.InvalidField: no picture of these formats, too small, too large, a strip, or broken.
    """
    with untrusted_image.open_untrusted(body, field, formats, MAX_PIXELS) as image:
        _check_shape(image, field)
        image.load()
        plain = untrusted_image.turned(_flattened(image, body), source=image)
        original = body if embedded_parts.has_manifest(body) else b""
        alpha = _transparency(image)
        return TakenPicture(body=_png(plain), width=plain.width, height=plain.height, original=original, alpha=alpha)


def take_mask(body: bytes, field: str, *, size: tuple[int, int]) -> TakenPicture:
    """Takes a mask, scaled to its source: its luma, white where the source is redrawn, black where it is kept.

    Transparent pixels are white. A profile is not applied: the levels are a measure, not a colour.

    Args:
        body: the file.
        field: the request's field that held it, for the message.
        size: width and height of the source.

    Raises:
        errors.InvalidField: as for `take_source`.
    """
    with untrusted_image.open_untrusted(body, field, OUTSIDE_FORMATS, MAX_PIXELS) as image:
        _check_shape(image, field)
        image.load()
        grey = _by_bands(image, "L", lambda band: _on_white(band, _has_alpha(image)).convert("L"))
        scaled = untrusted_image.turned(grey, source=image).resize(size, Image.Resampling.BILINEAR)
        is_black = bool(scaled.point(lambda level: level >= REDRAWN).getbbox() is None)
        return TakenPicture(body=_png(scaled), width=scaled.width, height=scaled.height, is_black=is_black)


def size_of(body: bytes, field: str) -> tuple[int, int]:
    """Returns width and height of a picture as it is to be seen; reads its header alone.

    Args:
        body: the file.
        field: the request's field that held it, for the message.

    Raises:
        errors.InvalidField: as for `take_source`, but a file that is broken further on is not noticed.
    """
    with untrusted_image.open_untrusted(body, field, OUTSIDE_FORMATS, MAX_PIXELS) as image:
        _check_shape(image, field)
        return untrusted_image.turned_size(image)


def mask_of_alpha(body: bytes, field: str) -> bytes:
    """Makes a mask as `take_mask` takes it of one whose transparent pixels are redrawn; returns a grey PNG.

    Args:
        body: the file.
        field: the request's field that held it, for the message.

    Raises:
        errors.InvalidField: as for `take_mask`, or it can have no transparent pixels.
    """
    with untrusted_image.open_untrusted(body, field, OUTSIDE_FORMATS, MAX_PIXELS) as image:
        _check_shape(image, field)
        if not _has_alpha(image):
            raise errors.InvalidField(field, f"{field} has no transparent pixels, which say what is redrawn")
        image.load()
        clear = _by_bands(image, "L", lambda band: ImageChops.invert(_alpha(band)))
        return _png(untrusted_image.turned(clear, source=image))


def _alpha(band: Image.Image) -> Image.Image:
    return untrusted_image.convert(band, "RGBA").getchannel("A")


def _check_shape(image: Image.Image, field: str) -> None:
    shorter, longer = sorted(image.size)
    if shorter < MIN_SIDE or longer > MAX_RATIO * shorter:
        raise errors.InvalidField(field)


def _flattened(image: Image.Image, body: bytes) -> Image.Image:
    """Converts an image to RGB in sRGB, on white."""
    profile, has_alpha = embedded_parts.icc_profile(body), _has_alpha(image)
    if image.mode == "CMYK":
        convert = to_srgb(profile, "CMYK")
        return _by_bands(image, "RGB", convert or (lambda band: band.convert("RGB")))
    is_grey = image.mode in {"1", "L", "LA", "I", "I;16"}
    convert = to_srgb(profile, "L" if is_grey else "RGB")
    if image.mode == "RGB" and not has_alpha and convert is None:
        return image

    def flat(band: Image.Image) -> Image.Image:
        on_white = _on_white(band, has_alpha)
        if convert is None:
            return on_white
        return convert(on_white.getchannel(0) if is_grey else on_white)

    return _by_bands(image, "RGB", flat)


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or image.info.get("transparency") is not None


def _transparency(image: Image.Image) -> bytes:
    """Encodes the transparency of an image, turned as its EXIF says; empty: it is opaque."""
    if not _has_alpha(image):
        return b""
    levels = _by_bands(image, "L", _alpha)
    if levels.getextrema() == (OPAQUE, OPAQUE):
        return b""
    levels.thumbnail((ALPHA_SIDE, ALPHA_SIDE))
    return _png(untrusted_image.turned(levels, source=image))


def _on_white(band: Image.Image, has_alpha: bool) -> Image.Image:  # noqa: FBT001 - it is a fact, not a mode
    """Converts a part of an image to RGB; transparent pixels let white through."""
    if not has_alpha:
        return untrusted_image.convert(band, "RGB")
    layer = untrusted_image.convert(band, "RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _by_bands(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    converted = Image.new(mode, image.size)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        converted.paste(convert(band), (0, top))
    return converted


def grey_png(image: Image.Image) -> bytes:
    """Encodes a mask, 8-bit grey."""
    return _png(image)


def _png(image: Image.Image) -> bytes:
    image.info = {}  # of which Pillow would write the profile and the texts again
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=_COMPRESS_LEVEL)
    return file.getvalue()
