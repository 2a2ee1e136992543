"""CIELAB, in which equal distances look alike: conversion from sRGB (IEC 61966-2-1), white point D65, 2° observer."""

import numpy as np
from numpy.typing import NDArray

_TO_XYZ = (
    np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    / np.array([[0.95047], [1.0], [1.08883]])
).astype(np.float32)
"""Primaries of sRGB over the white point, so that white is 1, 1, 1."""
_DARK = 0.04045
"""Level below which sRGB's curve is a line."""
_CUBE = 6 / 29
"""Lightness below which CIELAB's curve is a line."""


def to_lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts (height, width, 3) sRGB to lightness, 0-100, and two axes of colour."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= _DARK, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)
    xyz = linear[pixels] @ _TO_XYZ.T
    cubes = np.where(xyz > _CUBE**3, np.cbrt(xyz), xyz / (3 * _CUBE**2) + 4 / 29)
    x, y, z = cubes[..., 0], cubes[..., 1], cubes[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2).astype(np.float32)
