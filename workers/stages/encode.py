"""Encoding into the caller's format."""

from dataclasses import replace

from imgen.provenance import encoding
from workers.picture import Context, Picture


def encode(picture: Picture, context: Context) -> Picture:
    """Makes the file's bytes, still unsigned."""
    output = context.job.recipe.output
    encoded = encoding.encode(picture.pixels, output.format, quality=output.quality, lossless=output.lossless)
    return replace(picture, encoded=encoded)
