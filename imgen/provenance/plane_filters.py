"""Filters of planes, (height, width): mean and Gaussian windows, growth and shrinking of regions, and the flood from a seed."""

import math

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Region = NDArray[np.bool_]
_WIDE = 3.0
"""Standard deviation from which three means of a box are faster than the weights of a Gaussian."""


def box(plane: Plane, radius: int) -> Plane:
    """Returns the mean of each pixel's square window; the edge is repeated beyond the picture."""
    return np.ascontiguousarray(_means(_means(plane, radius).T, radius).T, np.float32)


def gaussian(plane: Plane, spread: float) -> Plane:
    """Returns the mean of each pixel's surroundings, weighted by nearly a Gaussian of this standard deviation in pixels."""
    if spread >= _WIDE:
        radius = round((math.sqrt(4 * spread**2 + 1) - 1) / 2)  # of three boxes whose variances add up
        return box(box(box(plane, radius), radius), radius)
    radius = math.ceil(3 * spread)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / spread) ** 2)
    return _weighted(plane, (weights / weights.sum()).astype(np.float32))


def steepness(plane: Plane) -> Plane:
    """Returns the length of the gradient, in levels a pixel."""
    down, across = np.gradient(plane)
    return np.asarray(np.hypot(down, across), np.float32)


def grow(region: Region, radius: int) -> Region:
    """Returns a region and all within a square window around it."""
    return _grown(_grown(region, radius).T, radius).T


def shrink(region: Region, radius: int) -> Region:
    """Returns the pixels of a region whose square window lies in it; beyond the picture it goes on."""
    return ~grow(~region, radius)


def flood(seeds: Region, within: Region) -> Region:
    """Returns the pixels of a region that are connected, by their sides, to a seed within it.

    Runs of rows are joined with those below them, whose groups double in each round: a maze takes no longer than plain ground.
    """
    starts = within.copy()
    starts[:, 1:] &= ~within[:, :-1]
    numbers = np.cumsum(starts.ravel(), dtype=np.int64)
    runs = numbers.reshape(within.shape)  # a number for each run; of no meaning beyond them
    meets = within[1:] & within[:-1]
    meets[:, 1:] &= ~meets[:, :-1]  # once for each pair of runs
    groups = _groups(runs[:-1][meets], runs[1:][meets], number=int(runs[-1, -1]) + 1)
    has_seed = np.zeros(len(groups), np.bool_)
    has_seed[groups[runs[seeds & within]]] = True
    return np.asarray(has_seed[groups[runs]] & within)


def _groups(ones: NDArray[np.int64], others: NDArray[np.int64], *, number: int) -> NDArray[np.int64]:
    """Returns for each of so many things the least one that is connected to it, by pairs of things that touch."""
    least = np.arange(number)
    while len(ones):
        ones, others = least[ones], least[others]
        apart = ones != others
        ones, others = ones[apart], others[apart]
        np.minimum.at(least, np.maximum(ones, others), np.minimum(ones, others))
        while not np.array_equal(further := least[least], least):
            least = further
    return least


def _means(plane: NDArray[np.floating], radius: int) -> NDArray[np.float64]:
    """Returns the mean of each pixel's window of its column, from running sums."""
    padded = np.pad(plane, ((radius + 1, radius), (0, 0)), mode="edge")
    sums = np.cumsum(padded, axis=0, dtype=np.float64)
    width = 2 * radius + 1
    return np.asarray((sums[width:] - sums[:-width]) / width)


def _weighted(plane: Plane, weights: Plane) -> Plane:
    radius = len(weights) // 2
    padded = np.pad(plane, radius, mode="edge")
    rows = np.zeros((plane.shape[0], padded.shape[1]), np.float32)
    for at, weight in enumerate(weights):
        rows += weight * padded[at : at + plane.shape[0]]
    total = np.zeros(plane.shape, np.float32)
    for at, weight in enumerate(weights):
        total += weight * rows[:, at : at + plane.shape[1]]
    return total


def _grown(region: Region, radius: int) -> Region:
    """Grows a region along its columns, in steps that double it."""
    grown, reached = region.copy(), 0
    while reached < radius:
        step = min(reached + 1, radius - reached)
        before = grown.copy()
        grown[step:] |= before[:-step]
        grown[:-step] |= before[step:]
        reached += step
    return grown
