"""Encoding of the picture in the caller's format."""

from dataclasses import replace

from imgen.provenance import encoding
from workers.picture import Context, Picture


def encode(picture: Picture, context: Context) -> Picture:
    """Encodes the file, still unsigned."""
    output = context.job.recipe.output
    encoded = encoding.encode(picture.pixels, output.format, quality=output.quality, lossless=output.lossless)
    return replace(picture, encoded=encoded)
