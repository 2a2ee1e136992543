"""Fingerprints: bits in hexadecimal, distances, and how near like pictures are."""

import numpy as np
import pytest

from imgen.provenance import encoding, pdq
from imgen.provenance.fingerprint import distance, fingerprint


def test_hash_has_the_bits_in_order(photo):
    """The hex digits are the 256 bits, first bit first, as published hash lists write them."""
    bits, quality = pdq.compute(photo)
    found = fingerprint(photo)
    assert f"{int(''.join(map(str, bits)), 2):064x}" == found.hash
    assert found.quality == quality == 100


def test_same_picture_in_another_format_is_near(photo):
    """Recompression moves the hash by far less than the 31 bits that count as a match."""
    again = encoding.decode(encoding.encode(photo, "jpeg", quality=50))
    assert distance(fingerprint(photo).hash, fingerprint(again).hash) <= 10


def test_other_picture_is_far(photo):
    """A picture turned by a quarter is another picture."""
    assert distance(fingerprint(photo).hash, fingerprint(np.rot90(photo).copy()).hash) > 60


def test_plain_pictures_are_of_low_quality():
    """Nothing to see: the hash says of itself that it is worth nothing."""
    assert fingerprint(np.full((512, 512, 3), 200, np.uint8)).quality == 0


@pytest.mark.parametrize(
    ("a", "b", "bits"), [("0" * 64, "0" * 64, 0), ("0" * 64, "f" * 64, 256), ("0" * 63 + "1", "8" + "0" * 63, 2)]
)
def test_distance_counts_bits(a, b, bits):
    """The distance is the number of differing bits."""
    assert distance(a, b) == bits
