"""Paste-back of an inpainted picture: what may differ from the source, and what never does."""

import tracemalloc

import numpy as np
import pytest

from workers.engines.paste_back import SEAM_PX, keep_exact, paste_back

SIZE = 160, 224
BOX = slice(40, 90), slice(60, 130)


def pictures():
    random = np.random.default_rng(3)
    return (random.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(2))


def mask_of(*boxes, level=255):
    mask = np.zeros(SIZE, np.uint8)
    for box in boxes:
        mask[box] = level
    return mask


def beyond_seam(mask):
    """Returns where a pixel is farther than the seam from every redrawn one."""
    near = np.zeros(SIZE, bool)
    for row, column in np.argwhere(mask >= 128):
        near[max(0, row - SEAM_PX) : row + SEAM_PX + 1, max(0, column - SEAM_PX) : column + SEAM_PX + 1] = True
    return ~near


@pytest.mark.parametrize(
    "mask",
    [mask_of(BOX), mask_of(np.s_[70:71, 20:200]), mask_of(np.s_[0:5, 0:5]), mask_of(np.s_[99:100, 99:100])],
    ids=["box", "line", "corner", "dot"],
)
def test_inside_is_drawn_and_outside_is_the_source(mask):
    """Every white pixel is the drawn one, and beyond the seam each pixel is the source's, however small the mask."""
    drawn, source = pictures()
    pasted = paste_back(drawn, source, mask)
    assert np.array_equal(pasted[mask > 0], drawn[mask > 0])
    assert beyond_seam(mask).any()
    assert np.array_equal(pasted[beyond_seam(mask)], source[beyond_seam(mask)])


def test_seam_is_soft():
    """From the mask outward the drawn picture fades: no neighbours of the seam differ by much between black and white."""
    pasted = paste_back(np.full((*SIZE, 3), 255, np.uint8), np.zeros((*SIZE, 3), np.uint8), mask_of(BOX))
    row = pasted[60, :, 0].astype(int)
    assert set(row[60:130]) == {255}
    assert set(row[: 60 - SEAM_PX]) == {0}
    assert 8 <= np.count_nonzero((row > 0) & (row < 255)) <= 2 * SEAM_PX
    assert np.abs(np.diff(row)).max() <= 40


def test_black_and_white_masks():
    """A black mask gives the source back, a white one the drawn picture, and grey counts as what it is nearer to."""
    drawn, source = pictures()
    assert np.array_equal(paste_back(drawn, source, mask_of(BOX, level=127)), source)
    assert np.array_equal(paste_back(drawn, source, np.full(SIZE, 128, np.uint8)), drawn)


@pytest.mark.parametrize("seam_px", [1, 2, 4])
def test_what_must_stay_exact_has_its_seam_outside(seam_px):
    """Black pixels are the source's, all beyond the seam is drawn; between them no colour of the old ground is left."""
    kept = mask_of(BOX) > 0
    source = np.where(kept[..., None], (200, 0, 0), (255, 255, 255)).astype(np.uint8)
    drawn = np.full((*SIZE, 3), (0, 0, 200), np.uint8)
    done = keep_exact(drawn, source, np.where(kept, 0, 255).astype(np.uint8), seam_px=seam_px)
    assert np.array_equal(done[kept], source[kept])
    rows, columns = BOX
    around = np.s_[rows.start - seam_px : rows.stop + seam_px, columns.start - seam_px : columns.stop + seam_px]
    beyond = np.ones(SIZE, bool)
    beyond[around] = False
    assert np.array_equal(done[beyond], drawn[beyond])
    assert done[..., 1].max() <= 2
    fading = done[60, columns.stop : columns.stop + seam_px, 0].astype(int)
    assert (np.diff([200, *fading, 0]) < 0).all()


def test_a_large_picture_is_worked_on_in_bands():
    """Its rows are those of the picture as a whole, and it takes little memory beside itself."""
    random = np.random.default_rng(3)
    drawn, source = (random.integers(0, 256, (1500, 1024, 3), np.uint8) for _ in range(2))
    mask = np.full((1500, 1024), 255, np.uint8)
    mask[100:1400, 300:700] = 0
    mask[640:660, 450:550] = 255
    tracemalloc.start()
    try:
        done = keep_exact(drawn, source, mask, seam_px=2)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 6 * done.nbytes
    for top in range(0, 1500, 100):  # each within less than a band
        above, below = max(0, top - 2), min(1500, top + 102)
        alone = keep_exact(drawn[above:below], source[above:below], mask[above:below], seam_px=2)
        assert np.array_equal(done[top : top + 100], alone[top - above : top - above + 100])
