"""Grid of blocks whose place and row length are unknown: all of them at once, by one Fourier transform.

In a picture with C blocks in a row, block (row, column) has bit (row · C + column + a constant) mod 127. So the bits are sums
along parallel lines of a torus of 127 × 127 blocks, and their Fourier transform is a line through the origin of the torus's
own (projection-slice theorem): for each C another one, since 127 is prime.
"""

import numpy as np
from numpy.typing import NDArray

from imgen.provenance.bch_code import BITS
from imgen.provenance.watermark_reading.votes import STEP

Complex = NDArray[np.complex64]

_FREQUENCY = np.arange(BITS)
_ROW_FREQUENCY = _FREQUENCY[:, None] * _FREQUENCY % BITS
"""Frequency of the rows for each C and each frequency of the columns, (127, 127)."""

_DFT = np.exp(-2j * np.pi * _ROW_FREQUENCY / BITS).astype(np.complex64)
"""Matrix of the transform: for a prime length and several rows at once, eight times as fast as numpy's FFT."""

_FLAT = 12
"""Highest frequency, of rows and columns alike, that counts for no energy: plain areas, whose blocks are all alike, lie there."""
_ABSOLUTE = np.minimum(_FREQUENCY, BITS - _FREQUENCY)
_LINES = _ROW_FREQUENCY * BITS + _FREQUENCY
_COUNTED = (np.maximum(_ABSOLUTE[_ROW_FREQUENCY], _ABSOLUTE) > _FLAT).astype(np.float32)


def by_place(values: NDArray[np.float32], *, apart: int = 1) -> Complex:
    """Arranges the values of blocks that begin at each pixel, or at each second, by their place in the grid, as phases of a step.

    Args:
        values: (H, W), of blocks that begin so many pixels apart.
        apart: 1 or 2.

    Returns:
        (places, rows, columns): 64 places, or 16, in raster order; all values of modulus 1.
    """
    side = 8 // apart
    rows, columns = values.shape[0] // side, values.shape[1] // side
    turn = values[: rows * side, : columns * side] * np.float32(2 * np.pi / STEP)
    blocks = turn.reshape(rows, side, columns, side).transpose(1, 3, 0, 2)
    places = np.empty((side * side, rows, columns), np.complex64)
    np.cos(blocks, out=places.real.reshape(blocks.shape))
    np.sin(blocks, out=places.imag.reshape(blocks.shape))
    return places


def spectra(places: Complex) -> Complex:
    """Transforms the phases of blocks, (places of the grid, rows, columns), to the spectra of their tori, (places, 127, 127)."""
    places = places - places.mean((1, 2), keepdims=True)
    for axis in (1, 2):
        places = _folded(places, axis)
    number, rows, columns = places.shape
    across = (places.reshape(-1, columns) @ _DFT[:columns]).reshape(number, rows, BITS)
    return np.asarray(_DFT[:, :rows] @ across)


def energies(spectra_: Complex) -> NDArray[np.float32]:
    """Computes how far the bits lie apart for each place of the grid and each C, (places, 127), as multiples of the mean."""
    power = spectra_.real**2 + spectra_.imag**2
    lines = np.einsum("pck,ck->pc", power.reshape(-1, BITS * BITS)[:, _LINES], _COUNTED)
    mean = lines.mean()
    return np.asarray(lines / mean if mean else lines)


def bits(spectrum: Complex, columns: int) -> NDArray[np.complex128]:
    """Returns the phasors of the bits, (127,), from the spectrum (127, 127) of a place; which is the first one is unknown."""
    line = spectrum[_ROW_FREQUENCY[columns], _FREQUENCY].astype(np.complex128)
    line[0] = 0
    return np.asarray(np.fft.ifft(line))


def _folded(places: Complex, axis: int) -> Complex:
    """Adds up what lies 127 blocks apart; what is shorter stays as it is."""
    size = places.shape[axis]
    if size <= BITS:
        return places
    starts = np.split(places, range(BITS, size, BITS), axis=axis)
    whole = starts[0].copy()
    for part in starts[1:]:
        whole[(slice(None),) * axis + (slice(part.shape[axis]),)] += part
    return whole
