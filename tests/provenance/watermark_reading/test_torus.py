"""The torus of blocks: all row lengths of the grid at once."""

import numpy as np
import pytest

from imgen.provenance.watermark_reading import torus


def marked_places(rows, columns, row_length, bits):
    """Phases of blocks, of which the place 5 of 16 has bits in rows of this length, and the others have chance."""
    rng = np.random.default_rng(0)
    places = np.exp(2j * np.pi * rng.random((16, rows, columns)))
    bit = (np.arange(rows)[:, None] * row_length + np.arange(columns) + 40) % 127
    places[5] = np.where(bits[bit] > 0, -1j, 1j)
    return places.astype(np.complex64)


@pytest.mark.parametrize(
    ("rows", "columns", "row_length"), [(90, 160, 168), (128, 128, 128), (40, 50, 41), (140, 130, 300)]
)
def test_lines_have_the_bits_of_pictures_whose_rows_have_any_length(rows, columns, row_length):
    """The place and the row length with the greatest energy are the picture's, and its bits are read, turned by a constant."""
    bits = np.random.default_rng(1).choice([-1.0, 1.0], 127)
    spectra = torus.spectra(marked_places(rows, columns, row_length, bits))
    place, length = np.unravel_index(torus.energies(spectra).argmax(), (16, 127))
    assert (place, length) == (5, row_length % 127)
    line = -torus.bits(spectra[5], length).imag
    assert max(np.corrcoef(np.roll(bits, shift), line)[0, 1] for shift in range(127)) > 0.99


def test_energies_of_chance_are_alike():
    """Blocks of no picture have no line that stands out: none twice the mean."""
    places = np.exp(2j * np.pi * np.random.default_rng(2).random((64, 40, 60))).astype(np.complex64)
    assert torus.energies(torus.spectra(places)).max() < 2


def test_blocks_are_arranged_by_their_place_in_the_grid():
    """The value at a pixel goes to the place of its remainders by 8, or by 4 where only each second pixel has one."""
    values = np.arange(24 * 32, dtype=np.float32).reshape(24, 32) / 1000
    turn = np.exp(2j * np.pi * values / 36)
    assert np.allclose(torus.by_place(values)[8 * 3 + 5], turn[3::8, 5::8], atol=1e-4)
    assert np.allclose(torus.by_place(values, apart=2)[4 * 1 + 2], turn[1::4, 2::4], atol=1e-4)
