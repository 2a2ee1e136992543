"""The invisible watermark's stronger variant: grey pictures and drawings keep it through what strangers do to them."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from imgen.domain.catalog import SIZES
from imgen.provenance import bch_code, watermark
from imgen.provenance.watermark_reading import crops, restore
from imgen.provenance.watermark_reading.planes import u_plane
from starter.draw.picture import render
from starter.scene import draw_lots

# Some ids lose more than others where all blocks of a bit move alike
IDS = ("0123456789ab", "0000ffb59cb8", "fedcba987654")


def grey(pixels):
    return np.repeat(np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None], 3, axis=2)


def jpeg(pixels, quality=75):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("watermark_id", IDS)
@pytest.mark.parametrize("name", ["photo", "bright", "contrast"])
def test_grey_pictures_keep_the_mark_when_cut_or_halved(pictures, name, watermark_id):
    """A desaturated picture answers with its id after JPEG 75, cut by a tenth or resized by three quarters before."""
    marked = watermark.embed(grey(pictures[name](768, 1344)), watermark_id)
    assert watermark.decode(jpeg(marked)).id == watermark_id
    cut = crops.search(u_plane(jpeg(np.ascontiguousarray(marked[19:747, 37:1312]))))
    assert cut is not None
    assert cut.id == watermark_id
    smaller = np.asarray(Image.fromarray(marked).resize((1008, 576), Image.Resampling.LANCZOS))
    restored = restore.search(u_plane(jpeg(smaller)), SIZES, time.monotonic() + 60)
    assert restored is not None
    assert restored.id == watermark_id


@pytest.mark.parametrize("size", [(256, 256), (1000, 1003), (1344, 768)])
def test_reference_package_decodes_grey_pictures(pictures, size):
    """invisible-watermark's own decoder reads every bit of the stronger variant, at odd sizes too."""
    imwatermark = pytest.importorskip("imwatermark")
    width, height = size
    marked = watermark.embed(grey(pictures["photo"](height, width)), IDS[0])
    decoded = imwatermark.WatermarkDecoder("bits", bch_code.BITS).decode(marked[..., ::-1].copy(), "dwtDctSvd")
    assert decoded.astype(int).tolist() == bch_code.encode(IDS[0]).tolist()


def test_grey_pictures_keep_40_db(pictures):
    """The stronger variant of every kind of picture stays above 40 dB, and takes more than the ordinary one."""
    for name, make in pictures.items():
        pixels = grey(make(512, 512))
        assert 40 < psnr(pixels, watermark.embed(pixels, IDS[0])) < 42.5, name


def test_variant_steps_back_where_the_picture_has_noise_enough(pictures):
    """Beside pure blue, which costs most, fewer blocks of a grey area move far: the whole picture keeps 40 dB."""
    pixels = pictures["blue"](512, 512).copy()
    pixels[:320] = 128
    marked = watermark.embed(pixels, IDS[0])
    assert psnr(pixels, marked) >= 40
    moved_far = np.abs(marked[:320].astype(int) - 128).max(2) > 5
    assert 0.03 < moved_far.mean() < 0.12


def test_colour_beside_grey_is_marked_as_in_colour_pictures(pictures):
    """Only the grey blocks of a picture that is mostly grey move far: the pixels of its coloured part are as ever."""
    colour = pictures["photo"](512, 512)
    half = colour.copy()
    half[:320] = grey(colour[:320])
    in_colour, in_half = watermark.embed(colour, IDS[0]), watermark.embed(half, IDS[0])
    assert psnr(half[:320], in_half[:320]) < 42
    coloured = np.ptp(u_plane(colour)[320:].reshape(24, 8, 64, 8), axis=(1, 3)) > 8
    same = (in_colour[320:] == in_half[320:]).all(2).reshape(24, 8, 64, 8).all((1, 3))
    assert coloured.mean() > 0.5
    assert same[coloured].all()


def test_colour_pictures_that_keep_the_mark_have_the_ordinary_one(pictures):
    """Pictures that are less than half grey lose no more than 43 dB to the mark, grey parts and all."""
    for name in ("photo", "dark", "bright", "contrast"):
        pixels = pictures[name](512, 512)
        assert psnr(pixels, watermark.embed(pixels, IDS[0])) > 43, name
    pixels = pictures["photo"](512, 512).copy()
    pixels[:192] = grey(pixels[:192])
    assert psnr(pixels, watermark.embed(pixels, IDS[0])) > 43


@pytest.mark.parametrize("seed", range(4))
def test_drawings_keep_the_mark_when_made_smaller(seed):
    """Flat colours lose the ordinary mark to JPEG 75 at three quarters of the size; the stronger one lasts, and keeps 42 dB."""
    pixels = render(draw_lots(np.random.default_rng(seed)), 1344, 768)
    marked = watermark.embed(pixels, IDS[0])
    assert 42 <= psnr(pixels, marked) < 43
    smaller = np.asarray(Image.fromarray(marked).resize((1008, 576), Image.Resampling.LANCZOS))
    restored = restore.search(u_plane(jpeg(smaller)), SIZES, time.monotonic() + 60)
    assert restored is not None
    assert restored.id == IDS[0]


def test_flat_pictures_keep_42_db(pictures):
    """A gradient and an illustration, which are flat and not grey, are marked more strongly and no more visibly than that."""
    for name in ("gradient", "illustration"):
        pixels = pictures[name](512, 512)
        assert 42 <= psnr(pixels, watermark.embed(pixels, IDS[0])) < 43, name


def test_same_picture_and_id_are_marked_alike(pictures):
    """The far blocks are drawn from the id: the same twice, others for another id."""
    pixels = grey(pictures["photo"](512, 512))
    assert np.array_equal(watermark.embed(pixels, IDS[0]), watermark.embed(pixels, IDS[0]))
    far = [np.abs(watermark.embed(pixels, one).astype(int) - pixels).max(2) > 5 for one in IDS[:2]]
    assert (far[0] & far[1]).mean() < 0.05


@pytest.mark.parametrize("kind", ["photo", "illustration", "noise", "black", "white"])
def test_short_way_of_grey_pictures_makes_the_same_mark(pictures, kind):
    """One coloured pixel, where no block is, makes a picture take the way of coloured ones: every block stays as it was."""
    plain = grey(pictures[kind](259, 1003))
    coloured = plain.copy()
    coloured[-1, -1] ^= np.array([0, 1, 0], np.uint8)
    marked = watermark.embed(plain, IDS[0])
    assert np.array_equal(marked[:256, :1000], watermark.embed(coloured, IDS[0])[:256, :1000])
    assert not np.array_equal(marked, plain)
