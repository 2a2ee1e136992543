"""Invisible watermark: embedded in the pixels, then decoded from the encoded file."""

from dataclasses import replace

from imgen.provenance import watermark as invisible
from imgen.provenance.encoding import decode
from imgen.provenance.history import WATERMARKED
from workers.picture import Context, Picture


def embed(picture: Picture, context: Context) -> Picture:
    """Embeds the job's watermark id in the pixels."""
    return replace(
        picture,
        pixels=invisible.embed(picture.pixels, context.job.watermark_id),
        actions=(*picture.actions, WATERMARKED),
    )


def verify(picture: Picture, context: Context) -> Picture:
    """Records whether the id can be decoded from the encoded file: a low quality can destroy it."""
    found = invisible.decode(decode(picture.encoded))
    return replace(picture, watermark_verified=found.id == context.job.watermark_id)
