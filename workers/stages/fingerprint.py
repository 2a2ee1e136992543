"""The PDQ fingerprint, of the pixels as they are encoded."""

from dataclasses import replace

from imgen.provenance.fingerprint import fingerprint as pdq
from workers.picture import Context, Picture


def fingerprint(picture: Picture, _context: Context) -> Picture:
    """Computes the hash that finds this picture again after it was resized or saved anew."""
    return replace(picture, fingerprint=pdq(picture.pixels).hash)
