"""The master: the lossless, unbranded render that lies in the object store between the two halves."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from workers.picture import Context, Picture

FORMAT = "tiff"
"""Uncompressed: written and read in a millisecond each, where any lossless codec takes tens. It lives for seconds, and a GPU
must not wait for an encoder."""


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
    with Image.open(io.BytesIO(body), formats=(FORMAT,)) as image:
        pixels = np.asarray(image)
    return replace(picture, master_key=context.job.master_key, pixels=pixels)
