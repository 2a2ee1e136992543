"""Encoding of the picture in the caller's format."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imgen.provenance import encoding
from workers.picture import Context, Picture


def encode(picture: Picture, context: Context) -> Picture:
    """Encodes the file, still unsigned."""
    return replace(picture, encoded=to_file(picture.pixels, context))


def to_file(pixels: NDArray[np.uint8], context: Context) -> bytes:
    """Encodes pixels (H, W, 3) uint8, sRGB, as the job's recipe says."""
    output = context.job.recipe.output
    return encoding.encode(pixels, output.format, quality=output.quality, lossless=output.lossless)
