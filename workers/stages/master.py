"""The master: the lossless, unbranded render that lies in the object store between the two halves."""

from dataclasses import replace

from imgen.provenance.encoding import MIME, decode, encode
from workers.picture import Context, Picture

FORMAT = "webp"
"""Lossless WebP: half of PNG's bytes at the same speed, and read back three times faster."""


def keep(picture: Picture, context: Context) -> Picture:
    """Stores the pixels under a key of job and fence, which no other attempt writes."""
    key = f"work/{context.job.id}/{context.job.fence}.{FORMAT}"
    context.workshop.objects.put(key, encode(picture.pixels, FORMAT, quality=100, lossless=True), MIME[FORMAT])
    return replace(picture, master_key=key)


def fetch(picture: Picture, context: Context) -> Picture:
    """Reads the pixels back."""
    body = context.workshop.objects.get(context.job.master_key)
    return replace(picture, master_key=context.job.master_key, pixels=decode(body))
