"""Enlargement by tiles, with functions in place of a network."""

import numpy as np
import pytest

from imgen.domain.errors import Cancelled
from workers.upscalers import tiles


def noise(height, width):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def doubled(pixels):
    return pixels.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("size", [(96, 96), (97, 160), (50, 300), (300, 50), (257, 259), (20, 20)])
def test_tiles_cover_the_picture_once(size):
    """Tiles change nothing where each pixel's enlargement depends on itself alone, whatever the size."""
    pixels, done = noise(*size), []
    enlarged = tiles.enlarge(pixels, 2, doubled, tile=96, on_tile=lambda: done.append(1))
    assert np.array_equal(enlarged, doubled(pixels))
    assert len(done) == tiles.count(*size, 96)


def test_no_tile_is_larger_than_asked_for():
    """The function sees tiles of at most the size, and in all more than one."""
    seen = []

    def remembered(pixels):
        seen.append(pixels.shape[:2])
        return doubled(pixels)

    tiles.enlarge(noise(300, 200), 2, remembered, tile=128, on_tile=lambda: None)
    assert len(seen) > 4
    assert max(max(shape) for shape in seen) == 128


def test_tiles_of_other_levels_fade_into_one_another():
    """Neighbours that differ by 200 levels meet without a step of more than a few: the eye sees no line."""
    level = iter([20, 220] * 50)

    def flat(pixels):
        return np.full((pixels.shape[0] * 4, pixels.shape[1] * 4, 3), next(level), np.uint8)

    enlarged = tiles.enlarge(noise(100, 400), 4, flat, tile=128, on_tile=lambda: None).astype(int)
    assert np.ptp(enlarged) == 200
    assert max(np.abs(np.diff(enlarged, axis=axis)).max() for axis in (0, 1)) <= 7


def test_the_work_can_be_ended_between_two_tiles():
    """An error of the callback ends it after the tile that was drawn."""
    drawn = []

    def counted(pixels):
        drawn.append(1)
        return doubled(pixels)

    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        tiles.enlarge(noise(300, 300), 2, counted, tile=96, on_tile=stop)
    assert drawn == [1]
