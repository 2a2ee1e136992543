"""PDQ in NumPy: the perceptual hash of a picture, for machines without the `pdqhash` library. Same function, same bits.

Steps and constants follow the reference implementation (facebook/ThreatExchange, pdq/cpp/hashing/pdqhashing.cpp) and the paper
"The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019: luma, Jarosz filter (box filters along rows
and columns, twice), 64×64 samples, the 16×16 lowest frequencies but the constant, one bit for each above their median.

Filter and sampling are linear and separable, so one matrix for each axis does both. Where that leaves a bit in doubt (in plain
pictures the rounding errors of the reference's running sums decide), the sums are made as the reference makes them.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SAMPLES = 64
"""Rows and columns that a picture is reduced to before the cosine transform."""
FREQUENCIES = 16
MIN_SIDE = 5
"""Pixels; a picture with a shorter side has the empty hash of quality 0."""
QUALITY_DIVISOR = 90
"""Sum of gradients, in percent of full contrast, that is one point of quality."""
DOUBT = 0.01
"""Bits are certain where the two middle values of the spectrum are further apart: four times the rounding error measured."""

_Plane = NDArray[np.float32]


def compute(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Computes the hash of (H, W, 3) uint8, sRGB, as `pdqhash.compute` does.

    Returns:
        256 bits, (256,) uint8 of 0 and 1, in the order in which their hex digits are written; and the quality, 0–100.
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return np.zeros(FREQUENCIES * FREQUENCIES, np.uint8), 0
    luma = _luma(pixels)
    samples = _sampled(luma)
    spectrum = _spectrum(samples).ravel()
    median, above = _middle(spectrum)
    if above - median < DOUBT:
        samples = _reference_samples(luma)
        spectrum = _low_frequencies(_low_frequencies(samples).T).T.ravel()
        median, _ = _middle(spectrum)
    return (spectrum > median).astype(np.uint8)[::-1], _quality(samples)


def compute_orientations(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Computes the hashes of (H, W, 3) uint8 in all eight orientations: turned by quarters, mirrored, both.

    A mirrored axis changes the sign of its odd frequencies, a transposed picture transposes them. Contrast is stretched
    first where it is too low for a hash; that changes no bit and makes the quality say how much there is to compare.

    Returns:
        Bits, (8, 256) uint8, the picture as it stands first; and the quality, 0–100.
    """
    if min(pixels.shape[:2]) < MIN_SIDE:
        return np.zeros((8, FREQUENCIES * FREQUENCIES), np.uint8), 0
    samples = _sampled(_luma(pixels))
    low, high = samples.min(), samples.max()
    if high > low:
        samples = (samples - low) * (255 / (high - low))
    spectrum = _spectrum(samples)
    signs = np.where(np.arange(FREQUENCIES) % 2, 1, -1).astype(np.float32)  # the first frequency is number 1: odd
    mirrored = [spectrum, spectrum * signs, spectrum * signs[:, None], spectrum * signs * signs[:, None]]
    turned = [one.ravel() for mirror in mirrored for one in (mirror, mirror.T)]
    bits = [(one > _middle(one)[0]).astype(np.uint8)[::-1] for one in turned]
    return np.stack(bits), _quality(samples)


def _luma(pixels: NDArray[np.uint8]) -> _Plane:
    return np.asarray(Image.fromarray(pixels).convert("F"))  # (299 R + 587 G + 114 B) / 1000


def _sampled(luma: _Plane) -> _Plane:
    """Filters and decimates (H, W) luma to (64, 64)."""
    if luma.shape == (SAMPLES, SAMPLES):
        return luma
    return np.asarray(_sampling(luma.shape[0]) @ luma @ _sampling(luma.shape[1]).T, np.float32)


def _spectrum(samples: _Plane) -> _Plane:
    """Computes the 16×16 lowest frequencies but the constant."""
    return np.asarray(_cosines() @ samples @ _cosines().T, np.float32)


def _middle(spectrum: _Plane) -> tuple[float, float]:
    """The two middle values of an even count; the reference takes the lower one as the median."""
    place = spectrum.size // 2
    ordered = np.partition(spectrum, (place - 1, place))
    return ordered[place - 1], ordered[place]


@lru_cache(maxsize=32)
def _sampling(length: int) -> _Plane:
    """Both box filters and the decimation along an axis of `length` pixels, (64, length)."""
    window, _ = _window(length)
    outer_first, outer_end = _edges(_kept(length), length)
    inner = np.minimum(
        outer_first[:, None] + np.arange(window), length - 1
    )  # (64, window): what the second filter averages
    inner_first, inner_end = _edges(inner, length)
    weight = (inner < outer_end[:, None]) / (outer_end - outer_first)[:, None] / (inner_end - inner_first)
    steps = np.zeros((SAMPLES, length + 1))
    row = np.arange(SAMPLES)[:, None]
    np.add.at(steps, (row, inner_first), weight)
    np.subtract.at(steps, (row, inner_end), weight)
    return steps.cumsum(axis=1)[:, :-1].astype(np.float32)


def _window(length: int) -> tuple[int, int]:
    """Pixels that a box filter averages along an axis, and how many of them lie from the middle on."""
    window = (length + 2 * SAMPLES - 1) // (2 * SAMPLES)
    return window, (window + 2) // 2


def _edges(places: NDArray[np.intp], length: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First pixel and end of the window round each place, cut off at both ends of the axis."""
    window, ahead = _window(length)
    return np.maximum(places + ahead - window, 0), np.minimum(places + ahead, length)


def _kept(length: int) -> NDArray[np.intp]:
    """The 64 places along an axis that are sampled."""
    return ((np.arange(SAMPLES) + 0.5) * length / SAMPLES).astype(np.intp)


def _reference_samples(luma: _Plane) -> _Plane:
    """Filters and decimates (H, W) luma to (64, 64) in the reference's order of float32 operations."""
    height, width = luma.shape
    if height == width == SAMPLES:
        return luma
    along_rows = _box_filter(luma.T, np.arange(width))
    along_columns = _box_filter(along_rows.T, np.arange(height))
    along_rows = _box_filter(along_columns.T, _kept(width))
    return _box_filter(along_rows.T, _kept(height))


def _box_filter(lines: _Plane, kept: NDArray[np.intp]) -> _Plane:
    """Averages each line of (n, m) over the window round it, by a running sum.

    Returns:
        The averages of the lines `kept`, (len(kept), m).
    """
    number = len(lines)
    window, ahead = _window(number)
    entering = list(np.ascontiguousarray(lines))
    sums = np.empty((number, lines.shape[1]), np.float32)
    total = np.zeros(lines.shape[1], np.float32)
    for line in entering[: ahead - 1]:
        total += line
    for place, averaged in enumerate(sums):
        if place + ahead <= number:
            np.add(total, entering[place + ahead - 1], out=averaged)
        else:
            averaged[:] = total
        if place + ahead > window:
            np.subtract(averaged, entering[place + ahead - window - 1], out=averaged)
        total = averaged
    first, end = _edges(kept, number)
    averages: _Plane = sums[kept] / (end - first).astype(np.float32)[:, None]
    return averages


def _low_frequencies(samples: _Plane) -> _Plane:
    """Transforms the columns of (64, m): their 16 lowest frequencies but the constant, (16, m)."""
    total = np.zeros((FREQUENCIES, samples.shape[1]), np.float32)
    for wave, line in zip(_cosines().T, samples, strict=True):
        total += wave[:, None] * line
    return total


@lru_cache(maxsize=1)
def _cosines() -> _Plane:
    """Rows 1–16 of the orthonormal cosine transform of 64 samples, (16, 64)."""
    frequency, place = np.arange(1, FREQUENCIES + 1)[:, None], np.arange(SAMPLES)
    scale = np.float32(np.sqrt(2 / SAMPLES))
    waves: _Plane = (scale * np.cos(np.pi / 2 / SAMPLES * frequency * (2 * place + 1))).astype(np.float32)
    return waves


def _quality(samples: _Plane) -> int:
    """Sums the differences between neighbours of (64, 64) luma, each truncated to whole percents of full contrast."""
    percents = [np.abs(np.diff(samples, axis=axis) * 100 / 255).astype(np.int64).sum() for axis in (0, 1)]
    return min(100, int(sum(percents)) // QUALITY_DIVISOR)
