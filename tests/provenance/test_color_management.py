"""Conversion to sRGB by a file's ICC profile."""

import numpy as np
import pytest
from color_profiles import linear_grey, odd_press, wide_rgb
from PIL import Image

from imgen.provenance.color_management import to_srgb


def converted(profile, mode, colour):
    return to_srgb(profile, mode)(Image.new(mode, (2, 2), colour)).getpixel((0, 0))


def encoded(light):
    """Levels of sRGB for linear light (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def test_a_wide_space_is_converted():
    """As the matrices of Display P3 and sRGB say, to within two levels; grey stays grey."""
    p3_to_srgb = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    for colour in ((200, 50, 50), (120, 130, 90), (128, 128, 128), (0, 0, 0), (255, 255, 255)):
        expected = encoded(p3_to_srgb @ (np.array(colour) / 255) ** 2.2)
        assert np.abs(np.array(converted(wide_rgb(), "RGB", colour)) - expected).max() <= 2, colour


def test_grey_and_inks_are_converted():
    """Light of a quarter is the level 137; the odd press's cyan is red and its paper white."""
    assert converted(linear_grey(), "L", 64) == (137, 137, 137)
    assert converted(odd_press(), "CMYK", (0, 0, 0, 0)) == (255, 255, 255)
    red, green, blue = converted(odd_press(), "CMYK", (255, 0, 0, 0))
    assert red > 200
    assert max(green, blue) < 80


@pytest.mark.parametrize(
    "profile",
    [b"", b"x", wide_rgb()[:200], bytes(500), linear_grey(), odd_press(), wide_rgb("sRGB IEC61966-2.1"),
     wide_rgb().replace(b"rXYZ", b"zzzz"), wide_rgb().replace(b"mntr", b"link"), wide_rgb()[:128] + b"\xff" * 324],
    ids=range(10),
)  # fmt: skip
def test_a_profile_that_cannot_be_used_is_none(profile):
    """A broken one, one of another space, one that converts nothing, and sRGB itself."""
    assert to_srgb(profile, "RGB") is None
