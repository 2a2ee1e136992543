"""The master: the lossless, unbranded render that lies in the object store between the two halves."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from workers.picture import Context, Kept, Picture

FORMAT = "tiff"
"""Uncompressed: written and read in a millisecond each, where any lossless codec takes tens. It lives for seconds, and a GPU
must not wait for an encoder."""

KEPT_FORMAT = "png"
"""What the semantic cache keeps lies for weeks, so it is worth an encoder's time: its fastest setting halves it at least."""


def keep(picture: Picture, context: Context) -> Picture:
    """Stores the pixels under a key of job and fence, which no other attempt writes."""
    key = f"work/{context.job.id}/{context.job.fence}.{FORMAT}"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, FORMAT)
    context.workshop.objects.put(key, file.getvalue(), f"image/{FORMAT}")
    return replace(picture, master_key=key)


def fetch(picture: Picture, context: Context) -> Picture:
    """Reads the pixels back."""
    body = context.workshop.objects.get(context.job.master_key)
    with Image.open(io.BytesIO(body), formats=(FORMAT, KEPT_FORMAT)) as image:
        pixels = np.asarray(image)
    return replace(picture, master_key=context.job.master_key, pixels=pixels)


def keep_for_reuse(picture: Picture, context: Context) -> Picture:
    """Stores the pixels of a safe picture for the semantic cache, where its recipe says so. A doubt is reason enough not to."""
    entry_id, verdict = context.job.recipe.keep_as, picture.verdict
    if not entry_id or verdict is None or not verdict.safe or verdict.suspicions:
        return picture
    key = f"cache/{entry_id}/{context.job.fence}.{KEPT_FORMAT}"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, KEPT_FORMAT, compress_level=1)
    context.workshop.objects.put(key, file.getvalue(), f"image/{KEPT_FORMAT}")
    judged_by = context.workshop.judged_by[context.job.recipe.ruleset]
    return replace(picture, kept=Kept(key=key, size_bytes=file.tell(), judged_by=judged_by))
