"""Reading of the watermark in pictures that were changed, and in pictures that have none."""

import io
import time

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from imgen.provenance import watermark
from imgen.provenance.watermark_reading import acceptance, confirmation, crops, restore, scales, steps
from imgen.provenance.watermark_reading.acceptance import FALSE_ACCEPTS, NONE
from imgen.provenance.watermark_reading.planes import u_plane
from imgen.provenance.watermark_reading.reading import Reading, read

ID = "c0ffee123456"
ORDINARY, DEEP = Reading(budget_s=120), Reading(is_deep=True, budget_s=120)  # seconds that no machine needs


def saved(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def resized(pixels, scale):
    height, width = pixels.shape[:2]
    return np.asarray(
        Image.fromarray(pixels).resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    )


@pytest.fixture(scope="module")
def marked(photo):
    return watermark.embed(photo, ID)


def test_unchanged_picture_is_read_exactly(marked):
    """The first search finds it, and says so."""
    found = read(marked, ORDINARY)
    assert (found.id, found.search, found.mirrored, found.scale, found.step, found.crop) == (
        ID,
        "exact",
        False,
        1,
        1,
        None,
    )
    assert found.false_accepts < 1e-18


@pytest.mark.parametrize("scale", [0.6, 0.75, 0.9, 1.25])
def test_resized_picture_is_restored(marked, scale):
    """Made smaller or larger, and compressed, its id and the scale are found."""
    found = read(saved(resized(marked, scale), 85), ORDINARY)
    assert (found.id, found.search, found.mirrored) == (ID, "restored", False)
    assert found.scale == pytest.approx(scale, abs=0.001)


@pytest.mark.parametrize("scale", [1, 0.75])
def test_mirrored_picture_is_read(marked, scale):
    """In its own size and in another one, by blocks that run backwards."""
    found = read(saved(resized(marked[:, ::-1], scale), 85), ORDINARY)
    assert (found.id, found.search, found.mirrored) == (ID, "restored", True)


def test_mirrored_picture_whose_width_is_no_multiple_of_blocks(photo):
    """The part of a block lies at the other edge."""
    found = read(watermark.embed(photo[:, :1003], ID)[:, ::-1], ORDINARY)
    assert (found.id, found.search, found.mirrored) == (ID, "restored", True)


@pytest.mark.parametrize("brightness", [0.8, 1.2])
def test_brightness_changes_the_step(marked, brightness):
    """A brighter picture has larger steps by as much, a darker one smaller."""
    pixels = np.asarray(ImageEnhance.Brightness(Image.fromarray(marked)).enhance(brightness))
    found = read(saved(pixels, 85), ORDINARY)
    assert found.id == ID
    assert found.search in {"exact", "steps"}
    if found.search == "steps":
        assert found.step == pytest.approx(brightness, rel=0.05)


def test_steps_alone_read_a_brighter_picture(marked):
    """The search of steps finds the id where the step of the embedder does not fit."""
    pixels = np.asarray(ImageEnhance.Brightness(Image.fromarray(marked)).enhance(1.2))
    found = steps.search(u_plane(pixels))
    assert (found.id, found.search) == (ID, "steps")
    assert found.step == pytest.approx(1.2, rel=0.05)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("top", "left", "bottom", "right"), [(13, 22, 13, 22), (0, 3, 40, 0), (200, 301, 100, 200)])
def test_cut_picture_is_read(marked, mirrored, top, left, bottom, right):
    """Cut at all sides or some, by a few pixels or by half, compressed, mirrored or not; the grid's place is told."""
    cut = marked[top : 768 - bottom, left : 1344 - right]
    found = read(saved(cut[:, ::-1] if mirrored else cut, 75), ORDINARY)
    assert (found.id, found.search, found.mirrored, found.scale) == (ID, "crop", mirrored, 1)
    assert (found.crop.y, found.crop.columns) == (-top % 8, 1344 // 8 % 127)
    assert found.crop.x == (-right % 8 if mirrored else -left % 8)


def test_large_pictures_are_cut_at_the_middle_on_the_grid(photo):
    """Of four megapixels a middle is read, and the place of the grid is the whole picture's."""
    marked = watermark.embed(resized(photo, 2), ID)
    found = crops.search(u_plane(marked[5:, 2:]))
    assert (found.id, found.crop.x, found.crop.y) == (ID, 6, 3)


@pytest.mark.parametrize("name", ["noise", "gradient", "illustration", "photo", "grey", "dark"])
def test_unmarked_pictures_have_no_id_in_any_search(pictures, name):
    """Nothing is found in pictures that were never marked, whatever is tried."""
    assert read(pictures[name](768, 1344), ORDINARY) == NONE


def test_every_search_together_keeps_the_budget_of_false_accepts():
    """The shares of all searches add up to one picture in a thousand million at most."""
    searches = [
        one for module in (acceptance, restore, steps, crops, scales, confirmation) for one in vars(module).values()
    ]
    shares = {one.name: 2.0**one.share_log2 for one in searches if isinstance(one, acceptance.Search)}
    assert set(shares) == {"exact", "restored", "steps", "crop", "scale", "candidate"}
    assert sum(shares.values()) <= FALSE_ACCEPTS


def test_spent_budget_ends_the_search(marked):
    """Without time only the picture as it is is read; with time the same picture has an id."""
    cut = marked[4:, 4:]
    started = time.monotonic()
    assert read(cut, Reading(budget_s=0)) == NONE
    assert time.monotonic() - started < 2
    assert read(cut, ORDINARY).id == ID
    assert read(marked, Reading(budget_s=0)).id == ID


@pytest.mark.parametrize("mirrored", [False, True])
def test_deep_search_reads_what_was_cut_and_resized(marked, mirrored):
    """Neither cut nor scale is known; the ordinary searches find nothing, and the deep one tells the scale."""
    cut = saved(resized(marked[20:750, 33:1301], 0.8), 85)
    cut = cut[:, ::-1] if mirrored else cut
    assert read(cut, ORDINARY) == NONE
    found = read(cut, DEEP)
    assert (found.id, found.search, found.mirrored, found.crop.columns) == (ID, "scale", mirrored, 1344 // 8 % 127)
    assert found.scale == pytest.approx(0.8, abs=0.002)


def test_deep_search_finds_nothing_in_an_unmarked_picture(photo):
    """The scales that look most like a grid have no word."""
    assert scales.search(u_plane(photo), time.monotonic() + 60) is None


def test_deep_search_keeps_to_its_budget(photo):
    """Scales are tried until the budget is spent, and none after it."""
    started = time.monotonic()
    assert scales.search(u_plane(photo), started + 0.1) is None
    assert time.monotonic() - started < 1


def test_narrow_strips_are_read_as_unmarked():
    """A strip of one row of blocks has nothing that a search could take for a grid, and breaks none."""
    rng = np.random.default_rng(0)
    for shape in ((9, 9000, 3), (9000, 9, 3), (60, 2000, 3)):
        assert read(rng.integers(0, 256, shape, np.uint8), DEEP) == NONE


def test_sizes_that_fit_are_those_of_the_same_aspect():
    """The nearest aspect comes first, then the nearest area; sizes of other aspects and the own one are none."""
    sizes = ((1344, 768), (1024, 1024), (2048, 1152), (1008, 576), (5376, 3072))
    assert restore.fitting((1008, 576), sizes)[:2] == [(1344, 768), (2048, 1152)]
    assert (1024, 1024) not in restore.fitting((1008, 576), sizes)
    assert (5376, 3072) not in restore.fitting((1008, 576), sizes)


def test_pictures_of_an_aspect_of_their_own_are_restored_to_exports():
    """A source's aspect is that of its enhanced pictures, whose long side is 1024, 2048 or 4096."""
    assert restore.fitting((1500, 400), ()) == [(1024, 273), (2048, 546)]
