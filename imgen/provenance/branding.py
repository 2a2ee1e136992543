"""The visible mark: opens the logo a client sent and lays it over a picture. Where is for the recipe to say."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.provenance import intake

POSITIONS: dict[str, tuple[float, float]] = {
    "top-left": (0, 0),
    "top-right": (1, 0),
    "center": (0.5, 0.5),
    "bottom-left": (0, 1),
    "bottom-right": (1, 1),
}
"""Where on the free way from left to right and from top to bottom."""

_MAX_SIDE = 2048
"""No picture of ours is wider; a larger mark is reduced when it comes in."""

_BAND_PIXELS = 1 << 18
"""Reduced in strips of about this size, so that no second copy of 16 megapixels is held."""


def open_mark(body: bytes) -> NDArray[np.uint8]:
    """A client's logo as (h, w, 4) uint8, sRGB and straight alpha, 2,048 pixels at its long edge at most.

    PNG, JPEG or WebP by content. An animation gives its first frame; EXIF orientation is honoured, all other metadata
    and profiles are dropped.

    Raises:
        errors.InvalidField: `wm_image` is another format, over 16 megapixels, or broken.
    """
    with intake.opened(body, "wm_image") as image:
        image.draft("RGB", (_MAX_SIDE // 2, _MAX_SIDE // 2))  # JPEG alone: decodes at a half or a quarter where it can
        image.load()
        small = intake.upright(_reduced(image), image.getexif().get(intake.ORIENTATION))
    return np.asarray(small)  # outside, where the large one is gone already


def lay(
    pixels: NDArray[np.uint8],
    mark: NDArray[np.uint8],
    *,
    position: str,
    scale: int,
    transparency: int,
    rotation: int,
    padding_x: int,
    padding_y: int,
) -> NDArray[np.uint8]:
    """A branded copy of a picture (H, W, 3) uint8.

    Args:
        pixels: the picture.
        mark: (h, w, 4) uint8, straight alpha.
        position: a key of `POSITIONS`.
        scale: the mark's width before it is turned, in percent of the picture's, 1–100.
        transparency: opacity, 0–100; 100 is opaque.
        rotation: degrees, clockwise; the corners are kept, so the mark's box grows.
        padding_x: pixels from the left or right edge; without meaning in the centre.
        padding_y: pixels from the top or bottom edge.

    A mark whose box would not fit is made smaller until it does; padding that would push it out is given up.
    """
    height, width = pixels.shape[:2]
    laid = _turned(mark, width * scale / 100, rotation, (width, height))
    box_height, box_width = laid.shape[:2]
    right, down = POSITIONS[position]
    left = _place(width - box_width, right, padding_x)
    top = _place(height - box_height, down, padding_y)

    opacity = transparency / 100
    branded = pixels.copy()
    under = branded[top : top + box_height, left : left + box_width]
    shows = 1 - laid[..., 3:] * (opacity / 255)
    under[:] = np.rint(under * shows + laid[..., :3] * opacity).clip(0, 255)
    return branded


def _turned(mark: NDArray[np.uint8], mark_width: float, rotation: int, picture: tuple[int, int]) -> NDArray[np.float32]:
    """The mark in its final size and turn, colours multiplied by alpha, (h, w, 4) 0–255."""
    aspect = mark.shape[0] / mark.shape[1]
    sine, cosine = abs(math.sin(math.radians(rotation))), abs(math.cos(math.radians(rotation)))
    # Width and height of the turned box for a mark of width 1
    box = (cosine + aspect * sine, sine + aspect * cosine)
    mark_width = min(mark_width, picture[0] / box[0], picture[1] / box[1])
    size = (max(1, int(mark_width)), max(1, int(mark_width * aspect)))
    # Resampled with colours multiplied by alpha: what a transparent pixel hides must not bleed into the edge
    image = Image.fromarray(mark, "RGBA").convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if rotation % 360:
        turned = [band.rotate(-rotation, Image.Resampling.BICUBIC, expand=True, fillcolor=0) for band in image.split()]
        image = Image.merge("RGBa", turned)
    return np.asarray(image, np.float32)[: picture[1], : picture[0]]


def _place(free: int, share: float, padding: int) -> int:
    """Offset along one axis with `free` pixels to spare."""
    inward = (1 - 2 * share) * padding  # forward from the near edge, back from the far one, none in the middle
    return int(min(max(free * share + inward, 0), free))


def _reduced(image: Image.Image) -> Image.Image:
    """RGBA, and smaller by a whole factor where it is too large."""
    factor = math.ceil(max(image.size) / _MAX_SIDE)
    across, down = (math.ceil(side / factor) for side in image.size)
    small = Image.new("RGBA", (across, down))
    rows = max(1, _BAND_PIXELS // image.width // factor)
    for top in range(0, down, rows):
        band = image.crop((0, top * factor, image.width, min((top + rows) * factor, image.height)))
        if band.mode == "I;16":  # grey of 16 bits, which Pillow would cut off at 255 instead of scaling
            band = Image.fromarray((np.asarray(band) >> 8).astype(np.uint8))
        small.paste(band.convert("RGBA").reduce(factor), (0, top))
    return small
