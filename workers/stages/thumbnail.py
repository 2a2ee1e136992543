"""Thumbnail of the picture."""

from dataclasses import replace

from imgen.provenance import encoding
from workers.picture import Context, Picture


def thumbnail(picture: Picture, context: Context) -> Picture:
    """Encodes a small copy in the same format."""
    return replace(picture, thumbnail=encoding.thumbnail(picture.pixels, context.job.recipe.output.format))
