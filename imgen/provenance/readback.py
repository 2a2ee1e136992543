"""Everything a file says about its own origin, whoever sent it: credentials, invisible mark, fingerprint."""

import numpy as np
from msgspec import Struct

from imgen.provenance import credentials, fingerprint, intake, watermark

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")


class Readback(Struct, frozen=True, kw_only=True):
    """What was found in a picture."""

    credentials: credentials.Credentials
    mark: watermark.Mark
    fingerprint: fingerprint.Fingerprint
    width: int
    height: int


def read_back(body: bytes, anchors: bytes = b"", *, field: str = "image") -> Readback:
    """Reads a PNG, JPEG, WebP or AVIF file by its content.

    Args:
        body: the file, from anywhere.
        anchors: PEM roots whose signatures count as trusted.
        field: the request's field that held the file, for the message.

    Raises:
        errors.InvalidField: another format, over 16 megapixels, or broken.
    """
    with intake.opened(body, field, _FORMATS) as image:
        mime = f"image/{str(image.format).lower()}"
        # The mark lies in the pixels as stored: an orientation someone added later is not followed
        pixels = np.asarray(image.convert("RGB"))
    return Readback(
        credentials=credentials.read(body, mime, anchors),
        mark=watermark.read(pixels),
        fingerprint=fingerprint.fingerprint(pixels),
        width=pixels.shape[1],
        height=pixels.shape[0],
    )
