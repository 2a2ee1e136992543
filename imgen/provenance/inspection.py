"""Inspection of a picture file from anywhere: its credentials, its invisible watermark, its fingerprint."""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct, field

from imgen.provenance import credentials, fingerprint, untrusted_image
from imgen.provenance.watermark_reading.acceptance import DecodedWatermark
from imgen.provenance.watermark_reading.confirmation import Candidate
from imgen.provenance.watermark_reading.reading import Reading, read

MAX_PIXELS = 32_000_000
"""Largest area: twice that of a picture that was enlarged four times."""

_ORDINARY = Reading()

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")


class Inspection(Struct, frozen=True, kw_only=True):
    """Evidence of origin found in a picture."""

    credentials: credentials.Credentials
    watermark: DecodedWatermark = field(name="mark")
    fingerprint: fingerprint.Fingerprint
    width: int
    height: int


def inspect_picture(
    body: bytes,
    anchors: bytes = b"",
    *,
    reading: Reading = _ORDINARY,
    candidates: Callable[[fingerprint.Fingerprint], Sequence[Candidate]] | None = None,
    request_field: str = "image",
) -> Inspection:
    """Inspects a PNG, JPEG, WebP or AVIF file, whatever its name.

    Args:
        body: the file, from anywhere.
        anchors: PEM roots whose signatures count as trusted.
        reading: extent of the search for the watermark.
        candidates: returns pictures of ours that may be this one, for a watermark that the search does not find.
        request_field: the request's field that held the file, for the message.

    Raises:
        errors.InvalidField: another format, over 32 megapixels, or broken.
    """
    with untrusted_image.open_untrusted(body, request_field, _FORMATS, MAX_PIXELS) as image:
        mime = f"image/{str(image.format).lower()}"
        # The watermark is in the pixels as stored: an orientation that was added later is not applied
        pixels = np.asarray(untrusted_image.convert(image, "RGB"))
    looks = fingerprint.fingerprint(pixels)
    return Inspection(
        credentials=credentials.read(body, mime, anchors),
        watermark=read(pixels, reading, lambda: candidates(looks) if candidates else ()),
        fingerprint=looks,
        width=pixels.shape[1],
        height=pixels.shape[0],
    )
