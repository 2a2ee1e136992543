"""Filters of planes: the flood from a seed."""

import sys

import numpy as np
import pytest

from imgen.provenance.plane_filters import flood


def reached(seeds, within):
    """The flood pixel by pixel."""
    found = seeds & within
    while True:
        grown = found.copy()
        grown[1:] |= found[:-1]
        grown[:-1] |= found[1:]
        grown[:, 1:] |= found[:, :-1]
        grown[:, :-1] |= found[:, 1:]
        if np.array_equal(grown & within, found):
            return found
        found = grown & within


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_flood_fills_what_is_connected_by_sides(share):
    """Noise of any density, with several seeds, some of them outside."""
    random = np.random.default_rng(7)
    for size in ((1, 40), (40, 1), (33, 50), (64, 64)):
        within, seeds = random.random(size) < share, random.random(size) < 0.01
        assert np.array_equal(flood(seeds, within), reached(seeds, within))


def test_a_maze_takes_no_longer_than_plain_ground():
    """A staircase of 400 steps is filled with few operations: an upload of some kilobytes must not take minutes."""
    stairs = np.eye(400, dtype=bool) | np.eye(400, k=1, dtype=bool)
    seeds = np.zeros_like(stairs)
    seeds[0, 0] = True
    called = []
    sys.setprofile(lambda _frame, event, _arg: called.append(event))
    try:
        filled = flood(seeds, stairs)
    finally:
        sys.setprofile(None)
    assert np.array_equal(filled, stairs)
    assert called.count("c_call") < 400
