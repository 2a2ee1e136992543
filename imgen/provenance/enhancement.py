"""Enhancement of a picture by plain arithmetic: less noise, the whole range of tones, sharper edges. Invents nothing.

Lightness alone is toned and sharpened, so that no colour is shifted. The picture is worked on in bands of rows, so that a large
one takes little memory, and the same pixels give the same result on every machine of one NumPy.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from imgen.provenance.plane_filters import Plane, box

_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)  # JPEG (JFIF 1.02), without its offset of 128
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)
_BAND_PIXELS = 1 << 21
_MARGIN = 24
"""Rows beyond a band that its filters look at, at least."""
_LUMA_RADIUS, _CHROMA_RADIUS = 2, 4
"""Pixels of the guided filter's window: half its width."""
_LEAST_NOISE, _MOST_NOISE = 0.4, 12.0
"""Levels. Below, a picture is left as it is; above, texture is more likely than noise."""
_SMOOTHING = 1.6
"""Standard deviations of noise below which a difference is smoothed."""
_TAIL = 0.005
"""Share of the pixels, at each end, that may become black or white."""
_MOST_STRETCH = 14
"""Levels by which an end of the tones is moved, at most."""
_AMOUNT = 0.8
"""Share of the fine detail that is added to the lightness."""
_OVERSHOOT = 4
"""Levels beyond its neighbours to which a sharpened pixel may go: an edge gets no halo."""


def enhance(pixels: NDArray[np.uint8], *, checkpoint: Callable[[], None] = lambda: None) -> NDArray[np.uint8]:
    """Returns an enhanced copy.

    Args:
        pixels: (H, W, 3) uint8, sRGB.
        checkpoint: called between two bands; an error that it raises stops the work.
    """
    noise = estimate_noise(pixels)
    low, high = _tones(pixels)
    work = partial(_enhanced, noise=noise, low=low, high=high)
    height, width = pixels.shape[:2]
    rows = max(_MARGIN, _BAND_PIXELS // width)
    result = np.empty_like(pixels)
    for top in range(0, height, rows):
        checkpoint()
        bottom, above = min(top + rows, height), min(top, _MARGIN)
        band = work(pixels[top - above : bottom + _MARGIN])
        result[top:bottom] = band[above : above + bottom - top]
    return result


def estimate_noise(pixels: NDArray[np.uint8]) -> float:
    """Estimates the standard deviation of a picture's noise in levels of lightness.

    The median of the response to a mask that no gradient or straight edge passes (Immerkær 1996, with the median in place of the
    mean, since texture passes).
    """
    step = max(1, pixels.shape[0] // 1024)  # bands of three rows suffice
    tops = np.arange(0, pixels.shape[0] - 2, step)
    above, middle, below = (pixels[tops + row].astype(np.float32) @ _TO_YCC[0] for row in range(3))

    def across(row: Plane) -> Plane:
        return row[:, :-2] - 2 * row[:, 1:-1] + row[:, 2:]

    response = across(above) - 2 * across(middle) + across(below)
    return float(np.median(np.abs(response))) / 0.6745 / 6


def _tones(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Returns the levels of lightness that become black and white."""
    step = max(1, max(pixels.shape[:2]) // 1024)
    lightness = np.rint(pixels[::step, ::step].astype(np.float32) @ _TO_YCC[0])
    low, high = np.quantile(lightness, (_TAIL, 1 - _TAIL))
    return float(min(low, _MOST_STRETCH)), float(max(high, 255 - _MOST_STRETCH))


def _enhanced(band: NDArray[np.uint8], *, noise: float, low: float, high: float) -> NDArray[np.uint8]:
    """Enhances a band of rows."""
    planes = band.astype(np.float32) @ _TO_YCC.T
    lightness, blue, red = planes[..., 0], planes[..., 1], planes[..., 2]
    if noise > _LEAST_NOISE:
        spread = _SMOOTHING * min(noise, _MOST_NOISE)
        blue, red = (_guided(one, lightness, _CHROMA_RADIUS, spread) for one in (blue, red))
        lightness = _guided(lightness, lightness, _LUMA_RADIUS, spread)
    lightness = (lightness - low) * np.float32(255 / (high - low))
    planes = np.stack([_sharpened(lightness, core=min(noise, _MOST_NOISE)), blue, red], axis=2)
    return np.clip(np.rint(planes @ _TO_RGB.T), 0, 255).astype(np.uint8)


def _guided(plane: Plane, guide: Plane, radius: int, spread: float) -> Plane:
    """Smooths a plane where its guide varies by less than `spread` levels (He, Sun and Tang 2010, the guided filter)."""
    mean_guide, mean_plane = box(guide, radius), box(plane, radius)
    variance = np.maximum(box(guide * guide, radius) - mean_guide**2, 0)
    covariance = box(guide * plane, radius) - mean_guide * mean_plane
    slope = covariance / (variance + np.float32(spread**2))
    offset = mean_plane - slope * mean_guide
    return box(slope, radius) * guide + box(offset, radius)


def _sharpened(plane: Plane, *, core: float) -> Plane:
    """Adds fine detail beyond the noise; no pixel leaves the range of its neighbours by more than the overshoot."""
    detail = plane - box(box(plane, 1), 1)
    detail = np.sign(detail) * np.maximum(np.abs(detail) - np.float32(core / 2), 0)
    padded = np.pad(plane, 1, mode="edge")
    around = [padded[y : y + plane.shape[0], x : x + plane.shape[1]] for y in range(3) for x in range(3)]
    least, most = np.minimum.reduce(around) - _OVERSHOOT, np.maximum.reduce(around) + _OVERSHOOT
    return np.asarray(np.clip(plane + np.float32(_AMOUNT) * detail, least, most), np.float32)
