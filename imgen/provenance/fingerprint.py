"""The PDQ perceptual hash: like pictures have hashes few bits apart. Compares two hashes; lists of them live elsewhere.

Source: Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019. Two pictures
count as the same at a distance of 31 or less, if the quality of both is 50 or more.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

try:
    from pdqhash import compute
except ImportError:  # it has no wheels, and `make` compiles nothing
    from imgen.provenance.pdq import compute
from imgen.provenance.pdq import compute_orientations


class Fingerprint(Struct, frozen=True, kw_only=True):
    """A hash and how much can be relied on it."""

    hash: str
    """256 bits as 64 lowercase hex digits."""
    quality: int
    """0–100; a plain sky scores low, and its hash says little."""


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint:
    """PDQ of a picture (H, W, 3) uint8, sRGB.

    Not shrunk beforehand: published lists are made at full size, and a first reduction moves a few bits.
    """
    bits, quality = compute(pixels)
    return Fingerprint(hash=np.packbits(bits.astype(np.uint8)).tobytes().hex(), quality=int(quality))


def orientations(pixels: NDArray[np.uint8]) -> tuple[Fingerprint, ...]:
    """PDQ of a picture (H, W, 3) uint8 turned by quarters and mirrored, in eight orientations; faint contrast is stretched."""
    bits, quality = compute_orientations(pixels)
    digests = dict.fromkeys(row.tobytes().hex() for row in np.packbits(bits, axis=1))
    return tuple(Fingerprint(hash=digest, quality=quality) for digest in digests)


def distance(a: str, b: str) -> int:
    """Number of bits in which two hashes of 64 hex digits differ, 0–256."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
