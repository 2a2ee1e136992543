"""Enhancement without a model: sharper, less noisy, of the whole range, without a cast; the same every time."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from imgen.domain.errors import Cancelled
from imgen.provenance.enhancement import enhance, estimate_noise


def scene(*, blur=1.2, noise=0.0, low=25, high=230, size=(480, 360)):
    """Shapes with edges, softened, with noise, in a part of the range."""
    width, height = size
    down, across = np.mgrid[0:height, 0:width]
    shapes = ((across // 40 + down // 40) % 2) * 0.7 + 0.3 * across / width
    pixels = np.stack([low + (high - low) * shapes * factor for factor in (1.0, 0.9, 0.75)], axis=2)
    soft = np.asarray(
        Image.fromarray(np.rint(pixels).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur)), np.float32
    )
    grain = np.random.default_rng(3).normal(0, noise, pixels.shape)
    return np.clip(np.rint(soft + grain), 0, 255).astype(np.uint8)


def sharpness(pixels):
    """Mean of the steepest hundredth of the lightness."""
    lightness = pixels.astype(np.float32).mean(axis=2)
    steps = np.abs(np.diff(lightness, axis=1)).ravel()
    return float(np.sort(steps)[-len(steps) // 100 :].mean())


def test_edges_are_sharper_without_halos():
    """By a tenth at least; nothing is brighter than its surroundings by more than the allowed few levels."""
    soft = scene(low=0, high=255)
    soft[:40, :40], soft[:40, -40:] = 0, 255  # the whole range, so that no tone changes
    sharp = enhance(soft)
    assert sharpness(sharp) > 1.1 * sharpness(soft)
    most = np.asarray(Image.fromarray(soft).filter(ImageFilter.MaxFilter(5)), int)
    assert (sharp - most).max() <= 6


def test_noise_is_less_and_edges_stay():
    """The flat parts have two thirds of the noise at most."""
    noisy = scene(noise=6, blur=0.8)
    done = enhance(noisy)
    assert estimate_noise(done) < estimate_noise(noisy) * 0.67
    assert sharpness(done) > 0.95 * sharpness(noisy)


@pytest.mark.parametrize("level", [20, 128, 240])
def test_grey_stays_grey(level):
    """No colour is shifted; a plain picture stays plain."""
    grey = np.full((200, 300, 3), level, np.uint8)
    grey[50:100, 50:100] = 0
    grey[50:100, 150:200] = 255
    done = enhance(grey).astype(int)
    assert np.ptp(done, axis=2).max() <= 1
    assert abs(done[150, 150, 0] - level) <= 1


def test_tones_reach_further_and_colours_stay():
    """A dull picture becomes less so, by a little; the mean of its colour differences stays."""
    dull = scene(low=40, high=200)
    done = enhance(dull)
    assert done.min() < dull.min()
    assert done.max() > dull.max()
    before, after = (pixels.astype(float).mean((0, 1)) - pixels.astype(float).mean() for pixels in (dull, done))
    assert np.abs(before - after).max() < 1


def test_the_same_pixels_give_the_same_result(monkeypatch):
    """In bands of any height, and it can be stopped between two."""
    pixels = scene(noise=3)
    once = enhance(pixels)
    assert np.array_equal(once, enhance(pixels))
    monkeypatch.setattr("imgen.provenance.enhancement._BAND_PIXELS", 480 * 100)
    assert np.abs(enhance(pixels).astype(int) - once).max() <= 1

    def cancelled():
        raise Cancelled

    with pytest.raises(Cancelled):
        enhance(pixels, checkpoint=cancelled)
