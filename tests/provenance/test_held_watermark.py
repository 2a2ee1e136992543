"""The invisible watermark in files of low quality: strengthened until the file gives the id, within 40 dB."""

from functools import partial

import numpy as np
import pytest

from imgen.provenance import bch_code, encoding, held_watermark, watermark
from starter.draw.picture import render
from starter.scene import draw_lots

ID = "0123456789ab"


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.fixture(scope="module")
def drawing():
    return render(draw_lots(np.random.default_rng(0)), 768, 512)


def held(pixels, file_format, quality):
    """Holds the mark; also returns whether the file had it before."""
    encode = partial(encoding.encode, file_format=file_format, quality=quality)
    file = encode(watermark.embed(pixels, ID))
    before = watermark.decode(encoding.decode(file)).id
    return before, held_watermark.hold(pixels, ID, file, encode)


def test_file_that_lost_the_id_gives_it(drawing):
    """A drawing's file without the id gives it afterwards, holds the pixels told, and keeps 40 dB."""
    before, found = held(drawing, "jpeg", 45)
    assert before is None
    assert found is not None
    assert watermark.decode(encoding.decode(found.encoded)).id == ID
    assert found.encoded == encoding.encode(found.pixels, "jpeg", quality=45)
    assert psnr(drawing, found.pixels) >= 40


@pytest.mark.parametrize("quality", [45, 50])
def test_reference_package_decodes_held_pictures(drawing, quality):
    """invisible-watermark's own decoder reads every bit of the held pixels, of which it counts the blocks."""
    imwatermark = pytest.importorskip("imwatermark")
    _, found = held(drawing, "jpeg", quality)
    assert found is not None
    decoded = imwatermark.WatermarkDecoder("bits", bch_code.BITS).decode(found.pixels[..., ::-1].copy(), "dwtDctSvd")
    assert decoded.astype(int).tolist() == bch_code.encode(ID).tolist()


def test_mark_that_40_db_do_not_hold_is_given_up(drawing):
    """A file at JPEG 5 has no room for an id at whatever strength: all are tried within 40 dB, and none is returned."""
    tried = []

    def encode(pixels):
        tried.append(psnr(drawing, pixels))
        return encoding.encode(pixels, "jpeg", quality=5)

    first = encode(watermark.embed(drawing, ID))
    assert held_watermark.hold(drawing, ID, first, encode) is None
    assert len(tried) > 1
    assert min(tried) >= 40


def test_picture_whose_ordinary_mark_takes_40_db_is_left_alone(pictures):
    """In pure blue no more noise may be made, so nothing is encoded anew."""
    pixels = pictures["blue"](512, 512)
    marked = watermark.embed(pixels, ID)
    assert psnr(pixels, marked) < 40
    first = encoding.encode(marked, "jpeg", quality=5)
    assert held_watermark.hold(pixels, ID, first, lambda _pixels: pytest.fail("encoded anew")) is None
