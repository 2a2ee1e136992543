"""Confirmation of pictures of ours whose watermark is too faint to be found, and of nothing else."""

import io
import math
import time

import numpy as np
import pytest
from PIL import Image

from imgen.provenance import encoding, watermark
from imgen.provenance.watermark_reading.confirmation import CONFIRMED, MOST_CANDIDATES, Candidate, confirm_any
from imgen.provenance.watermark_reading.reading import Reading, read
from starter.draw.picture import render
from starter.scene import draw_lots

WIDTH, HEIGHT = 1344, 768
IDS = [f"c0ffee{number:06d}" for number in range(4)]


def saved(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def cut(pixels, left, top, width, height, scale=1.0):
    box = (left, top, left + width, top + height)
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box=box))


@pytest.fixture(scope="module")
def unmarked():
    return [render(draw_lots(np.random.default_rng(seed)), WIDTH, HEIGHT) for seed in range(len(IDS))]


@pytest.fixture(scope="module")
def published(unmarked):
    return [watermark.embed(pixels, name) for pixels, name in zip(unmarked, IDS, strict=True)]


@pytest.fixture(scope="module")
def candidates(published):
    return [
        Candidate(watermark_id=name, size=(WIDTH, HEIGHT), thumbnail=encoding.thumbnail(pixels, "jpeg"))
        for pixels, name in zip(published, IDS, strict=True)
    ]


def confirmed(pixels, candidates, seconds=60.0):
    return confirm_any(pixels, candidates, time.monotonic() + seconds)


def test_strong_compression_that_hides_the_id_leaves_it_to_be_confirmed(published, candidates):
    """At a JPEG quality of 42 the search finds nothing; among five candidates the right one is confirmed, without thumbnails."""
    faint = saved(published[1], 42)
    assert read(faint, Reading(budget_s=120)).id is None
    bare = [Candidate(watermark_id=one.watermark_id, size=one.size) for one in candidates]
    found = confirmed(faint, bare)
    assert (found.id, found.search, found.scale, found.crop) == (IDS[1], "candidate", 1, None)
    assert found.confidence < 0.8
    assert found.false_accepts <= 2.0**CONFIRMED.share_log2


@pytest.mark.parametrize(
    ("part", "scale"),
    [((60, 20, 1270, 730), 0.6), ((500, 0, 672, 768), 0.75), ((40, 300, 1280, 380), 1.9), ((0, 0, 1000, 500), 0.8)],
    ids=["resized", "half", "strip", "corner"],
)
def test_cut_and_resized_pictures_are_laid_upon_the_thumbnail_and_confirmed(published, candidates, part, scale):
    """Scale and place of the grid are told, as nearly as the mark needs."""
    found = confirmed(saved(cut(published[2], *part, scale=scale), 75), candidates)
    assert (found.id, found.search) == (IDS[2], "candidate")
    assert found.scale == pytest.approx(scale, rel=0.004)
    assert found.crop.columns == WIDTH // 8 % 127
    for told, edge in ((found.crop.x, part[0]), (found.crop.y, part[1])):
        assert (told + edge + 2) % 8 <= 4  # two pixels to either side


def test_without_a_thumbnail_a_part_is_not_confirmed(published, candidates):
    """Nothing says then where it lies."""
    part = saved(cut(published[2], 60, 20, 1270, 730, scale=0.6), 75)
    assert confirmed(part, [Candidate(watermark_id=IDS[2], size=(WIDTH, HEIGHT))]) is None
    assert confirmed(part, candidates, seconds=-1) is None  # nor is any candidate begun after its time


@pytest.mark.parametrize("change", [lambda pixels: pixels, lambda pixels: cut(pixels, 60, 20, 1270, 730, scale=0.8)])
def test_the_same_picture_with_another_watermark_or_none_is_not_confirmed(unmarked, candidates, change):
    """Features agree wholly, and decide nothing: the mark does."""
    other = watermark.embed(unmarked[0], "facade000000")
    for pixels in (unmarked[0], other):
        assert confirmed(saved(change(pixels), 90), candidates[:1]) is None


def test_pictures_without_features_or_with_few_pixels_are_not_confirmed(candidates):
    """A plain one has nothing to be laid upon another by; a strip is too low."""
    for shape in ((HEIGHT, WIDTH, 3), (20, 4000, 3), (70, 70, 3), (300, 300, 3)):
        assert confirmed(np.full(shape, 128, np.uint8), candidates) is None
        noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        assert confirmed(noise, candidates) is None


def test_no_more_candidates_are_tried_than_the_arithmetic_counts(published, candidates):
    """The one after the last is not confirmed, though it would be."""
    faint = saved(published[1], 75)
    others = [Candidate(watermark_id=f"{number:012x}", size=(WIDTH, HEIGHT)) for number in range(MOST_CANDIDATES)]
    assert confirmed(faint, [*others[:-1], candidates[1]]).id == IDS[1]
    assert confirmed(faint, [*others, candidates[1]]) is None


def test_large_pictures_are_read_in_their_middle(candidates):
    """A watermark of 4096 × 4096 is confirmed in no more time than another."""
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(60, 196, (96, 96, 3), np.uint8))
    large = watermark.embed(np.asarray(coarse.resize((4096, 4096), Image.Resampling.BICUBIC)), IDS[3])
    one = Candidate(watermark_id=IDS[3], size=(4096, 4096), thumbnail=encoding.thumbnail(large, "webp"))
    found = confirmed(saved(cut(large, 100, 60, 3900, 3900, scale=0.7), 75), [one])
    assert found is not None
    assert math.isclose(found.scale, 0.7, rel_tol=0.004)
