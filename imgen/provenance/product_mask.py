"""Mask of a product before a plain or transparent ground."""

from imgen.provenance.intake import TakenPicture


def mask_of(body: bytes, alpha: bytes) -> TakenPicture | None:
    """Makes the mask of a source."""
    del body, alpha
    return None
