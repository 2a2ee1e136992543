"""Enlargement without a network."""

import numpy as np
import pytest
from PIL import Image

from workers.upscalers import resampling


def photo(height=120, width=160):
    """Soft waves of three colours with hard edges, (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(columns / (5 + each) + each) * np.cos(rows / (7 - each)) for each in range(3)]
    picture = np.stack(waves, 2)
    picture[40:80, 50:100] = (230, 40, 60)
    return picture.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("factor", [2, 4])
def test_reduced_again_it_is_the_picture(factor):
    """Sharpening is restrained: the mean of each pixel's successors differs from it by two levels on the average at most."""
    enlarged = resampling.enlarge(photo(), factor)
    assert enlarged.shape == (120 * factor, 160 * factor, 3)
    again = resampling.reduce(enlarged, factor).astype(int)
    assert np.abs(again - photo()).mean() <= 2


def test_edges_are_sharper_than_by_resampling_alone():
    """The steepest steps across the edge of a shape are steeper than Lanczos leaves them."""
    picture = photo()
    plain = np.asarray(Image.fromarray(picture).resize((640, 480), Image.Resampling.LANCZOS)).astype(int)
    sharpened = resampling.enlarge(picture, 4).astype(int)
    assert np.abs(np.diff(sharpened[240, :, 0])).max() > np.abs(np.diff(plain[240, :, 0])).max()


def test_flat_areas_stay_as_they_are():
    """A plain colour is the same plain colour."""
    flat = np.full((32, 48, 3), (10, 128, 250), np.uint8)
    assert np.array_equal(np.unique(resampling.enlarge(flat, 4).reshape(-1, 3), axis=0), [(10, 128, 250)])
