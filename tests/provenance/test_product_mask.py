"""Masks of products: 20 shots before plain grounds whose truth is known, and 5 before others."""

import io

import numpy as np
import pytest
from PIL import Image
from product_shots import NOT_PLAIN, PLAIN, WHITE, mug, shot

from imgen.provenance import intake, product_mask


def mask_of(made):
    """The mask of a shot, white where it is redrawn; None: there is none."""
    taken = intake.take_source(made.body, "image")
    mask = product_mask.mask_of(taken.body, taken.alpha)
    if mask is None:
        return None
    with Image.open(io.BytesIO(mask.body)) as image:
        assert (image.mode, image.size) == ("L", (taken.width, taken.height))
        return np.asarray(image)


def test_there_are_twenty_shots():
    """Before plain grounds, and five before others."""
    assert (len(PLAIN), len(NOT_PLAIN)) == (20, 5)


@pytest.mark.parametrize("name", PLAIN)
def test_a_product_is_told_from_its_ground(name):
    """Intersection over union with the truth is 0.9 at least, and next to nothing of the product is lost."""
    made = PLAIN[name]()
    kept = mask_of(made) < 128
    assert (kept & made.truth).sum() / (kept | made.truth).sum() >= 0.9
    assert (made.truth & ~kept).sum() <= 0.08 * made.truth.sum()


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_no_product_is_told_from_another_ground(name):
    """Rather none than half of one."""
    assert mask_of(NOT_PLAIN[name]()) is None


@pytest.mark.parametrize("colour", [(255, 255, 255), (90, 120, 40)])
def test_an_empty_picture_has_no_product(colour):
    """All of it is ground."""
    file = io.BytesIO()
    Image.new("RGB", (200, 160), colour).save(file, "PNG")
    assert product_mask.mask_of(file.getvalue(), b"") is None


def test_a_mask_has_the_size_of_a_large_source():
    """It is made at a smaller one."""
    made = shot(mug, ground=WHITE, colours=(190, 40, 35))
    file = io.BytesIO()
    with Image.open(io.BytesIO(made.body)) as image:
        image.resize((1680, 1260)).save(file, "PNG")
    mask = product_mask.mask_of(file.getvalue(), b"")
    assert (mask.width, mask.height) == (1680, 1260)


def test_transparency_is_turned_with_its_picture():
    """As EXIF says; of an opaque picture there is none."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGBA", (80, 40), (10, 20, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 80, 10))
    file, opaque = io.BytesIO(), io.BytesIO()
    image.save(file, "PNG", exif=exif)
    image.convert("RGB").save(opaque, "PNG")
    taken = intake.take_source(file.getvalue(), "image")
    levels = np.asarray(Image.open(io.BytesIO(taken.alpha)))
    assert levels.shape == (taken.height, taken.width) == (80, 40)
    assert (levels[:, -10:] == 0).all()
    assert (levels[:, :-10] == 255).all()
    assert intake.take_source(opaque.getvalue(), "image").alpha == b""
