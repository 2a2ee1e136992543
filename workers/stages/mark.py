"""The invisible mark: embedded in the pixels, then read back from the encoded file."""

from dataclasses import replace

from imgen.provenance import watermark
from imgen.provenance.encoding import decode
from workers.picture import Context, Picture


def embed(picture: Picture, context: Context) -> Picture:
    """Hides the job's watermark id in the pixels."""
    return replace(picture, pixels=watermark.embed(picture.pixels, context.job.watermark_id))


def verify(picture: Picture, context: Context) -> Picture:
    """Notes whether a reader of the file will find the id: a caller's low quality can destroy it."""
    found = watermark.read(decode(picture.encoded))
    return replace(picture, watermark_verified=found.id == context.job.watermark_id)
