"""Votes for the bits of a codeword, from the values of blocks: their phases within a step, summed for each bit."""

import numpy as np
from numpy.typing import NDArray

from imgen.provenance import bch_code

STEP = 36.0
"""Quantisation step of the embedder: `scales[1]` of invisible-watermark."""


def phasors(values: NDArray[np.floating], bit: NDArray[np.intp], *, step: float = STEP) -> NDArray[np.complex128]:
    """Averages the phases of the blocks' values (N,) for each bit: (127,), less the mean of all bits.

    Args:
        values: the blocks' largest singular values.
        bit: of each block, 0–126.
        step: of quantisation, as it is in this picture.
    """
    turn = values.astype(np.float64) * (2 * np.pi / step)
    count = np.maximum(np.bincount(bit, minlength=bch_code.BITS), 1)
    x = np.bincount(bit, np.cos(turn), bch_code.BITS) / count
    y = np.bincount(bit, np.sin(turn), bch_code.BITS) / count
    return np.asarray((x - x.mean()) + 1j * (y - y.mean()))


def energy(means: NDArray[np.complex128]) -> float:
    """Computes how far the bits of phasors (127,) lie apart: large where a grid of blocks was found, marked by whatever id."""
    return float(np.vdot(means, means).real)


def votes(means: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Returns a vote for each bit, (127,), positive for a one, of the phasors of all bits.

    Codecs shift all blocks of one colour alike, so the phase of a bit alone does not decode it: the votes lie along the axis on
    which the bits differ most.
    """
    x, y = means.real, means.imag
    axis = np.arctan2(2 * (x @ y), x @ x - y @ y) / 2
    along = x * np.cos(axis) + y * np.sin(axis)
    return np.asarray(-along if np.sin(axis) > 0 else along)  # a one is embedded at 270°
