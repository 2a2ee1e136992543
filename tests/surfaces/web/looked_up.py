"""Pictures to look up, as platforms and people leave them."""

import io

import httpx2
from PIL import Image


def published(done):
    """The signed file of a finished job, by its status."""
    return httpx2.get(done["meta"]["images"][0]["url"]).content


def jpeg(image, quality=90):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def stripped(body, *, size=None, box=None, mode="RGB"):
    """The picture saved anew without metadata: resized, cut, or grey."""
    with Image.open(io.BytesIO(body)) as image:
        pixels = image.convert(mode)
    if box:
        pixels = pixels.crop(box)
    return jpeg(pixels.resize(size, Image.Resampling.LANCZOS) if size else pixels, 85)


def nobodys():
    """A picture that nobody made here."""
    return jpeg(Image.radial_gradient("L").convert("RGB").resize((640, 480)))
