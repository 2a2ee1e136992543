"""Master: the lossless, unbranded render, in the object store between the two phases of its job."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from workers.picture import CachedMaster, Context, Picture

FORMAT = "tiff"
"""Uncompressed: a millisecond to write or read, where any lossless codec takes tens. The file lives for seconds, and a GPU must
not wait for an encoder."""

KEPT_FORMAT = "png"
"""Format of the semantic cache's masters. They lie for weeks; PNG at its fastest setting halves them at least."""


def keep(picture: Picture, context: Context) -> Picture:
    """Stores the pixels under a key of job and fence, so that no two attempts write the same object."""
    key = f"work/{context.job.id}/{context.job.fence}.{FORMAT}"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, FORMAT)
    context.resources.objects.put(key, file.getvalue(), f"image/{FORMAT}")
    return replace(picture, master_key=key)


def fetch(picture: Picture, context: Context) -> Picture:
    """Reads the master's pixels."""
    body = context.resources.objects.get(context.job.master_key)
    with Image.open(io.BytesIO(body), formats=(FORMAT, KEPT_FORMAT)) as image:
        pixels = np.asarray(image)
    return replace(picture, master_key=context.job.master_key, pixels=pixels)


def keep_for_reuse(picture: Picture, context: Context) -> Picture:
    """Stores the pixels of a safe picture for the semantic cache if its recipe has a cache entry. A flag prevents it."""
    entry_id, verdict = context.job.recipe.cache_entry_id, picture.verdict
    if not entry_id or verdict is None or not verdict.safe or verdict.flags:
        return picture
    key = f"cache/{entry_id}/{context.job.fence}.{KEPT_FORMAT}"
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, KEPT_FORMAT, compress_level=1)
    context.resources.objects.put(key, file.getvalue(), f"image/{KEPT_FORMAT}")
    digest = context.resources.policy_digests[context.job.recipe.ruleset]
    return replace(picture, kept=CachedMaster(key=key, size_bytes=file.tell(), policy_digest=digest))
