"""PDQ in NumPy: the same bits as the library's, on pictures of every kind and size."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgen.provenance import pdq

SIZES = ((768, 1344), (1024, 1024), (64, 64), (63, 65), (5, 7), (37, 100), (129, 257), (4, 4), (2048, 512))
RECORDED = json.loads((Path(__file__).parent / "pdq_reference.json").read_text())
"""Hashes and qualities that `pdqhash` 0.2.8 gives for pictures that consist of whole numbers on every machine."""


def hexadecimal(bits):
    return np.packbits(np.asarray(bits).astype(np.uint8)).tobytes().hex()


def random_pictures(number):
    """Pictures of random sizes: noise, blocks, smooth shades, a flat rectangle on a flat ground."""
    rng = np.random.default_rng(2026)
    for index in range(number):
        height, width = (int(side) for side in rng.integers(5, 700, 2))
        grains = int(rng.integers(3, 60))
        coarse = Image.fromarray(rng.integers(0, 256, (grains, grains, 3), dtype=np.uint8))
        if index % 4 == 0:
            yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        elif index % 4 == 1:
            flat = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
            flat[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
            yield flat
        else:
            way = Image.Resampling.NEAREST if index % 4 == 2 else Image.Resampling.BICUBIC
            yield np.asarray(coarse.resize((width, height), way))


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case['picture']}-{case['height']}x{case['width']}")
def test_recorded_hashes_of_the_library(pictures, case):
    """Bits and quality are the library's, plain pictures included, where rounding errors alone decide."""
    bits, quality = pdq.compute(pictures[case["picture"]](case["height"], case["width"]))
    assert hexadecimal(bits) == case["hash"]
    assert quality == case["quality"]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_library_and_numpy_agree(pictures, size):
    """Both hash every picture of the tests alike; needs the library."""
    pdqhash = pytest.importorskip("pdqhash", reason="pdqhash is not installed: `make pdqhash` builds it")
    for name, picture in pictures.items():
        pixels = np.ascontiguousarray(picture(*size))
        (bits, quality), (wanted, wanted_quality) = pdq.compute(pixels), pdqhash.compute(pixels)
        assert np.count_nonzero(bits != wanted) == 0, name
        assert quality == wanted_quality, name


def test_library_and_numpy_agree_on_random_pictures():
    """Neither size nor kind of a picture makes a difference."""
    pdqhash = pytest.importorskip("pdqhash", reason="pdqhash is not installed: `make pdqhash` builds it")
    for pixels in random_pictures(100):
        (bits, quality), (wanted, wanted_quality) = pdq.compute(pixels), pdqhash.compute(np.ascontiguousarray(pixels))
        assert np.count_nonzero(bits != wanted) <= 2, pixels.shape
        assert abs(quality - wanted_quality) <= 1, pixels.shape


@pytest.mark.parametrize("shape", [(1, 1), (4, 500), (500, 4)])
def test_too_small_to_hash(shape):
    """A side under five pixels gives the empty hash, worth nothing."""
    bits, quality = pdq.compute(np.full((*shape, 3), 77, np.uint8))
    assert not bits.any()
    assert quality == 0


@pytest.mark.parametrize("name", ["photo", "illustration"])
def test_every_orientation_is_hashed(pictures, name):
    """Turned by quarters and mirrored, a picture is found by one of eight hashes; the first is its own."""
    pixels = pictures[name](480, 700)
    bits, quality = pdq.compute_orientations(pixels)
    own, _ = pdq.compute(pixels)
    assert bits.shape == (8, 256)
    assert np.count_nonzero(bits[0] != own) <= 2
    assert quality == 100
    for quarters in range(4):
        for turned in (np.rot90(pixels, quarters), np.rot90(pixels, quarters)[:, ::-1]):
            hashed, _ = pdq.compute(np.ascontiguousarray(turned))
            assert np.count_nonzero(bits != hashed, axis=1).min() <= 24


def test_orientations_of_a_faint_picture_have_its_bits(photo):
    """Contrast is stretched: the quality says how much there is to compare. A flat picture has none all the same."""
    faint = (photo // 12 + 100).astype(np.uint8)
    assert pdq.compute(faint)[1] < 50
    bits, quality = pdq.compute_orientations(faint)
    assert quality > 50
    assert np.count_nonzero(bits[0] != pdq.compute(photo)[0]) <= 24
    assert pdq.compute_orientations(np.full((99, 99, 3), 7, np.uint8))[1] == 0
    assert pdq.compute_orientations(np.full((3, 99, 3), 7, np.uint8))[1] == 0


def test_read_only_and_strided_pixels(photo):
    """Views of a picture hash like copies of them, and stay as they were."""
    view = photo[::2, ::-1]
    view.setflags(write=False)
    assert hexadecimal(pdq.compute(view)[0]) == hexadecimal(pdq.compute(view.copy())[0])
