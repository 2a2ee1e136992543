"""PDQ fingerprint of the pixels that are encoded."""

from dataclasses import replace

from imgen.provenance.fingerprint import fingerprint as pdq
from workers.picture import Context, Picture


def fingerprint(picture: Picture, _context: Context) -> Picture:
    """Computes the perceptual hash, which finds the picture again after it was resized or saved anew."""
    return replace(picture, fingerprint=pdq(picture.pixels).hash)
