"""The logo: decoded from any file a client sends, laid where and how the request has it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgen.domain import errors
from imgen.provenance import branding

GREY = np.full((400, 600, 3), 100, np.uint8)


def saved(image, file_format="PNG", **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def square(colour=(255, 0, 0, 255), size=(60, 60)):
    return np.full((size[1], size[0], 4), colour, np.uint8)


def overlay(pixels=GREY, mark=None, **overrides):
    options = {
        "position": "bottom-right", "scale": 10, "transparency": 100, "rotation": 0, "padding_x": 10, "padding_y": 10,
    }  # fmt: skip
    return branding.overlay(pixels, square() if mark is None else mark, **(options | overrides))


def box(before, after):
    """Left, top, right and bottom of what changed."""
    rows, columns = np.nonzero((before != after).any(2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


# ------------------------------------------------------------------ opening


@pytest.mark.parametrize(
    ("mode", "inside", "outside"),
    [
        ("1", (255, 255, 255, 255), (0, 0, 0, 255)),
        ("L", (255, 255, 255, 255), (0, 0, 0, 255)),
        ("LA", (255, 255, 255, 255), (0, 0, 0, 0)),
        ("P", (255, 255, 255, 255), (0, 0, 0, 0)),
        ("RGB", (255, 255, 255, 255), (0, 0, 0, 255)),
        ("RGBA", (255, 255, 255, 255), (0, 0, 0, 0)),
    ],
)
def test_every_kind_of_png_opens(mode, inside, outside):
    """Bilevel, grey, palette and colour, with and without transparency."""
    logo = np.zeros((50, 100, 4), np.uint8)
    logo[10:40, 10:90] = 255
    opened = branding.open_logo(saved(Image.fromarray(logo).convert(mode)))
    assert opened.shape == (50, 100, 4)
    assert (tuple(opened[25, 50]), tuple(opened[0, 0])) == (inside, outside)


def test_sixteen_bits_are_scaled_not_cut_off():
    """Grey of 16 bits keeps its tones."""
    ramp = np.linspace(0, 65_535, 100).astype(np.uint16).repeat(50).reshape(100, 50)
    opened = branding.open_logo(saved(Image.fromarray(ramp)))
    assert np.abs(opened[:, 0, 0].astype(int) - ramp[:, 0] // 256).max() <= 1


def test_cmyk_jpeg_and_webp_open():
    """Print colours come out as screen colours, WebP keeps its alpha."""
    red = branding.open_logo(saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(red[32, 32].astype(int) - (254, 0, 0, 255)).max() < 12
    clear = branding.open_logo(saved(Image.fromarray(square((0, 200, 0, 120))), "WEBP", lossless=True))
    assert tuple(clear[30, 30]) == (0, 200, 0, 120)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_honoured(file_format):
    """A picture stored lying on its side stands up, and what stood left stands on top."""
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[:, :40] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 95} if file_format == "JPEG" else {}
    opened = branding.open_logo(saved(Image.fromarray(stored), file_format, exif=exif, **options))
    assert opened.shape == (80, 40, 4)
    assert opened[5, 20, 0] > 240
    assert opened[75, 20, 0] < 15


def test_animation_gives_its_first_frame():
    """Red comes before green."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for file_format in ("PNG", "WEBP"):
        body = saved(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100, lossless=True)
        assert tuple(branding.open_logo(body)[16, 16]) == (255, 0, 0, 255), file_format


def test_profile_changes_nothing():
    """A colour profile is dropped with the rest of the metadata."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    plain = Image.new("RGB", (32, 32), (10, 120, 230))
    assert np.array_equal(branding.open_logo(saved(plain, icc_profile=profile)), branding.open_logo(saved(plain)))


def test_name_and_type_do_not_count():
    """A GIF is no logo, whatever it is called; the message names the field."""
    with pytest.raises(errors.InvalidField, match=r"^Invalid wm_image$"):
        branding.open_logo(saved(Image.new("RGB", (8, 8)), "GIF"))


# ------------------------------------------------------------------ laying


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("top-left", (20, 30, 80, 90)),
        ("top-right", (520, 30, 580, 90)),
        ("center", (270, 170, 330, 230)),
        ("bottom-left", (20, 310, 80, 370)),
        ("bottom-right", (520, 310, 580, 370)),
    ],
)
def test_position_and_padding(position, expected):
    """Padding counts from the edges the position names, and not at all in the centre."""
    assert box(GREY, overlay(position=position, padding_x=20, padding_y=30)) == expected


@pytest.mark.parametrize(("scale", "width"), [(1, 6), (5, 30), (50, 300)])
def test_scale_is_the_marks_width_in_percent_of_the_pictures(scale, width):
    """The height follows in proportion."""
    left, top, right, bottom = box(GREY, overlay(mark=square(size=(80, 40)), scale=scale))
    assert (right - left, bottom - top) == (width, width // 2)


def test_transparency_is_opacity():
    """100 covers, 50 mixes, 0 leaves the picture as it was."""
    assert tuple(overlay(position="center")[200, 300]) == (255, 0, 0)
    assert tuple(overlay(position="center", transparency=50)[200, 300]) == (178, 50, 50)
    assert np.array_equal(overlay(transparency=0), GREY)


def test_edges_have_no_dark_fringe():
    """White on transparent black, over white: nothing but white, at any size and turn."""
    logo = np.zeros((301, 301, 4), np.uint8)
    y, x = np.mgrid[-150:151, -150:151]
    logo[x**2 + y**2 < 140**2] = 255
    white = np.full((400, 600, 3), 255, np.uint8)
    for scale in (3, 13, 47, 60):
        for rotation in (0, 33):
            assert overlay(white, logo, scale=scale, rotation=rotation).min() >= 254


def test_rotation_is_clockwise_and_keeps_the_corners():
    """A bar that lies across stands upright after a quarter, its left end on top, and at 45° its box grows."""
    bar = square((0, 0, 0, 255), size=(200, 20))
    bar[:, :100] = (255, 255, 255, 255)
    quarter = overlay(mark=bar, position="center", scale=20, rotation=90)
    left, top, right, bottom = box(GREY, quarter)
    assert (right - left, bottom - top) == (12, 120)
    assert (quarter[top + 10, 300, 0], quarter[bottom - 10, 300, 0]) == (255, 0)
    left, top, right, bottom = box(GREY, overlay(mark=bar, position="center", scale=20, rotation=45))
    assert abs(right - left - 93) <= 3
    assert abs(bottom - top - 93) <= 3


@pytest.mark.parametrize("rotation", [0, 45, 90, -360, 360, 200])
@pytest.mark.parametrize("size", [(100, 100), (10, 2000), (2000, 10), (1, 1)])
@pytest.mark.parametrize("position", branding.POSITIONS)
def test_oversized_mark_is_fitted(rotation, size, position):
    """A mark of full width, however long or turned, is inside the picture, and so is any padding."""
    laid = overlay(
        mark=square(size=size), position=position, scale=100, rotation=rotation, padding_x=500, padding_y=500
    )
    assert laid.shape == GREY.shape
    assert (laid != GREY).any()


def test_picture_is_not_written_to():
    """The branded picture is another array."""
    before = GREY.copy()
    overlay()
    assert np.array_equal(GREY, before)


def test_a_logo_for_a_wide_picture_keeps_its_detail():
    """Stripes a pixel wide are reduced to grey for a picture of common size, and kept for an enlarged one."""
    striped = np.zeros((64, 4096, 4), np.uint8)
    striped[..., 3], striped[:, ::2, :3] = 255, 255
    body = saved(Image.fromarray(striped))
    assert branding.open_logo(body).shape == (32, 2048, 4)
    assert np.array_equal(branding.open_logo(body, max_side=4096), striped)


def test_a_logo_as_large_as_a_wide_picture_is_laid_over_all_of_it():
    """Strips of the picture meet without a line that is left out or laid twice."""
    picture = np.full((1200, 2400, 3), 100, np.uint8)
    whole = square((200, 0, 0, 128), size=(2400, 1200))
    branded = overlay(picture, whole, scale=100, padding_x=0, padding_y=0)
    assert len(np.unique(branded.reshape(-1, 3), axis=0)) == 1
    assert tuple(branded[0, 0]) == (150, 50, 50)
