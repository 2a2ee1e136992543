"""Logo, the visible mark: decodes a client's logo and overlays it on a picture. The recipe has its place and size."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.provenance import untrusted_image

POSITIONS: dict[str, tuple[float, float]] = {
    "top-left": (0, 0),
    "top-right": (1, 0),
    "center": (0.5, 0.5),
    "bottom-left": (0, 1),
    "bottom-right": (1, 1),
}
"""Place by position: share of the free width to its left, of the free height above it."""

MAX_SIDE = 2048
"""Pixels of a logo's long edge; a larger one is reduced when it is decoded. No picture is wider that was not enlarged."""

_BAND_PIXELS = 1 << 18
"""Pixels of a strip: a logo is reduced, and laid over a picture, strip by strip, so that few copies of 16 megapixels are held."""


def open_logo(body: bytes, max_side: int = MAX_SIDE) -> NDArray[np.uint8]:
    """Decodes a client's logo to (h, w, 4) uint8, sRGB and straight alpha, at most `max_side` pixels at its long edge.

    PNG, JPEG or WebP by content. An animation gives its first frame; EXIF orientation is honoured, all other metadata
    and profiles are dropped.

    Args:
        body: the file.
        max_side: the long edge of the picture that it is for, if that is larger than the default.

    Raises:
        errors.InvalidField: `wm_image` is another format, over 16 megapixels, or broken.
    """
    with untrusted_image.open_untrusted(body, "wm_image") as image:
        image.draft("RGB", (max_side // 2, max_side // 2))  # JPEG alone: decodes at a half or a quarter where it can
        image.load()
        small = untrusted_image.turned(_reduced(image, max_side), source=image)
    return np.asarray(small)  # outside, where the large one is gone already


def overlay(
    pixels: NDArray[np.uint8],
    logo: NDArray[np.uint8],
    *,
    position: str,
    scale: int,
    transparency: int,
    rotation: int,
    padding_x: int,
    padding_y: int,
) -> NDArray[np.uint8]:
    """Returns a copy of a picture (H, W, 3) uint8 with the logo over it.

    Args:
        pixels: the picture.
        logo: (h, w, 4) uint8, straight alpha.
        position: a key of `POSITIONS`.
        scale: the logo's width before it is rotated, in percent of the picture's, 1–100.
        transparency: opacity, 0–100; 100 is opaque.
        rotation: degrees, clockwise; the corners are kept, so the logo's box grows.
        padding_x: pixels from the left or right edge; without meaning in the centre.
        padding_y: pixels from the top or bottom edge.

    A logo whose box would not fit is reduced until it does; padding that would push it out is ignored.
    """
    height, width = pixels.shape[:2]
    layer = _scaled_and_rotated(logo, width * scale / 100, rotation, (width, height))
    box_height, box_width = layer.shape[:2]
    right, down = POSITIONS[position]
    left = _offset(width - box_width, right, padding_x)
    top = _offset(height - box_height, down, padding_y)

    opacity = transparency / 100
    branded = pixels.copy()
    under = branded[top : top + box_height, left : left + box_width]
    rows = max(1, _BAND_PIXELS // box_width)
    for first in range(0, box_height, rows):
        band, over = under[first : first + rows], layer[first : first + rows].astype(np.float32)
        visible = 1 - over[..., 3:] * (opacity / 255)
        band[:] = np.rint(band * visible + over[..., :3] * opacity).clip(0, 255)
    return branded


def _scaled_and_rotated(
    logo: NDArray[np.uint8], logo_width: float, rotation: int, picture: tuple[int, int]
) -> NDArray[np.uint8]:
    """Scales and rotates a logo; colours multiplied by alpha, (h, w, 4)."""
    aspect = logo.shape[0] / logo.shape[1]
    sine, cosine = abs(math.sin(math.radians(rotation))), abs(math.cos(math.radians(rotation)))
    # Width and height of the rotated box for a logo of width 1
    box = (cosine + aspect * sine, sine + aspect * cosine)
    logo_width = min(logo_width, picture[0] / box[0], picture[1] / box[1])
    size = (max(1, int(logo_width)), max(1, int(logo_width * aspect)))
    # Resampled with colours multiplied by alpha: the colours of transparent pixels must not bleed into the edge
    image = Image.fromarray(logo, "RGBA").convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if rotation % 360:
        rotated = [band.rotate(-rotation, Image.Resampling.BICUBIC, expand=True, fillcolor=0) for band in image.split()]
        image = Image.merge("RGBa", rotated)
    return np.asarray(image)[: picture[1], : picture[0]]


def _offset(free: int, share: float, padding: int) -> int:
    """Computes the offset along one axis with `free` pixels to spare."""
    inward = (1 - 2 * share) * padding  # forward from the near edge, back from the far one, none in the middle
    return int(min(max(free * share + inward, 0), free))


def _reduced(image: Image.Image, max_side: int) -> Image.Image:
    """Converts an image to RGBA; reduces one that is too large by a whole factor."""
    factor = math.ceil(max(image.size) / max_side)
    across, down = (math.ceil(side / factor) for side in image.size)
    small = Image.new("RGBA", (across, down))
    rows = max(1, _BAND_PIXELS // image.width // factor)
    for top in range(0, down, rows):
        band = image.crop((0, top * factor, image.width, min((top + rows) * factor, image.height)))
        small.paste(untrusted_image.convert(band, "RGBA").reduce(factor), (0, top))
    return small
