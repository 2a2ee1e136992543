"""Planes that the searches read: U of a picture, and the values of its 8×8 blocks at one place of the grid or at every place.

A block's value is the Frobenius norm of its Haar band, in the place of the largest singular value: the other three are so
small that the two differ by 0.003 on the average and by 0.5 at most (53 pictures), beside a step of 36.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]

U_OF_RGB = np.array([-0.492 * 0.299, -0.492 * 0.587, 0.492 * (1 - 0.114)], np.float32)
"""OpenCV's RGB → U, less its offset of 128."""


def u_plane(pixels: NDArray[np.uint8]) -> Plane:
    """Computes U, (H, W) with its offset of 128, of a picture (H, W, 3) uint8, sRGB."""
    plane = pixels.reshape(-1, 3).astype(np.float32) @ U_OF_RGB
    plane += 128
    return np.asarray(plane.reshape(pixels.shape[:2]))


def resized(plane: Plane, size: tuple[int, int], box: tuple[float, float, float, float]) -> Plane:
    """Returns the part `box` (left, top, right, bottom, in pixels) of a plane in another size (width, height), bicubic."""
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC, box=box), np.float32)


def block_values(plane: Plane) -> Plane:
    """Computes the values of the blocks of a plane (H, W), whose grid begins in its corner: (H // 8, W // 8)."""
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    band = _band(plane[: rows * 8, : columns * 8])
    band *= band
    return np.asarray(np.sqrt(band.reshape(rows, 4, columns, 4).sum((1, 3))))


def sliding_values(plane: Plane) -> Plane:
    """Computes the value of the block that begins at each pixel of a plane (H, W): (H − 7, W − 7)."""
    pairs = plane[:-1] + plane[1:]
    band = pairs[:, :-1] + pairs[:, 1:]
    band /= 2
    band *= band
    return np.asarray(np.sqrt(_four(_four(band, 2).T, 2).T))


def sliding_values_of_cells(plane: Plane) -> Plane:
    """Computes the value of the block that begins at each second pixel of each second row: (H // 2 − 3, W // 2 − 3)."""
    rows, columns = plane.shape[0] // 2, plane.shape[1] // 2
    band = _band(plane[: rows * 2, : columns * 2])
    band *= band
    return np.asarray(np.sqrt(_four(_four(band, 1).T, 1).T))


def _band(plane: Plane) -> Plane:
    """Computes one level of Haar, its LL band, of a plane of even sides."""
    pairs = plane[0::2] + plane[1::2]
    return np.asarray((pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.5), np.float32)


def _four(band: Plane, apart: int) -> Plane:
    """Sums four rows, so far apart, at each row."""
    two = band[:-apart] + band[apart:]
    return np.asarray(two[: -2 * apart] + two[2 * apart :])
