"""Invisible watermark: embedded in the pixels, then decoded from the encoded file, and strengthened where that fails."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imgen.provenance import held_watermark
from imgen.provenance import watermark as invisible
from imgen.provenance.encoding import decode
from imgen.provenance.history import WATERMARKED
from workers.engines import NO_PIXELS
from workers.picture import Context, Picture
from workers.stages.encode import to_file


def embed(picture: Picture, context: Context) -> Picture:
    """Embeds the job's watermark id in the pixels."""
    return replace(
        picture,
        pixels=invisible.embed(picture.pixels, context.job.watermark_id),
        unmarked=picture.pixels,
        unbranded=NO_PIXELS,
        actions=(*picture.actions, WATERMARKED),
    )


def hold(picture: Picture, context: Context) -> Picture:
    """Strengthens the mark until the encoded file gives its id. Where 40 dB do not suffice, the file stays as it is."""
    watermark_id, unmarked = context.job.watermark_id, picture.unmarked
    picture = replace(picture, unmarked=NO_PIXELS)
    if invisible.decode(decode(picture.encoded)).id == watermark_id:
        return replace(picture, watermark_verified=True)

    def encode(pixels: NDArray[np.uint8]) -> bytes:
        context.checkpoint()
        return to_file(pixels, context)

    held = held_watermark.hold(unmarked, watermark_id, picture.encoded, encode)
    if held is None:
        return picture
    return replace(picture, pixels=held.pixels, encoded=held.encoded, watermark_verified=True)
