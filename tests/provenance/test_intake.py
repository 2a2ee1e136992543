"""Intake of sources and masks: each file leaves as a plain 8-bit PNG with the pixels that it means, or is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from bombs import END, chunk, pixels, png, saved
from color_profiles import linear_grey, odd_press, wide_rgb
from factories import make_manifest
from PIL import Image

from imgen.domain import errors
from imgen.provenance import intake
from imgen.provenance.signer import open_signer

WIDTH, HEIGHT = 96, 64


def halves(left, right, mode="RGB"):
    """A picture of two colours, side by side."""
    if mode == "I;16":  # which Pillow does not paint
        return Image.fromarray(np.repeat(np.uint16([[left, right]]), WIDTH // 2, axis=1).repeat(HEIGHT, axis=0))
    image = Image.new(mode, (WIDTH, HEIGHT), left)
    image.paste(right, (WIDTH // 2, 0, WIDTH, HEIGHT))
    return image


def taken(body, **options):
    """The picture that leaves the gate, which must be a plain PNG."""
    made = intake.take_source(body, "image", **options)
    image = Image.open(io.BytesIO(made.body))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (made.width, made.height))
    assert {name for name in image.info if name != "dpi"} == set()
    return image


def sides(image):
    return image.getpixel((image.width // 4, image.height // 2)), image.getpixel(
        (image.width * 3 // 4, image.height // 2)
    )


RED, BLUE, WHITE = (200, 30, 30), (30, 30, 200), (255, 255, 255)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (saved(halves(RED, BLUE), "PNG"), (RED, BLUE)),
        (saved(halves(RED, BLUE), "WEBP", lossless=True), (RED, BLUE)),
        (saved(halves((*RED, 0), (*BLUE, 255), "RGBA"), "PNG"), (WHITE, BLUE)),
        (saved(halves((*RED, 0), (0, 0, 0, 128), "RGBA"), "WEBP", lossless=True), (WHITE, (127, 127, 127))),
        (saved(halves(RED, BLUE), "PNG", transparency=RED), (WHITE, BLUE)),
        (saved(halves(40, 200, "L"), "PNG"), ((40,) * 3, (200,) * 3)),
        (saved(halves(40, 200, "L"), "PNG", transparency=40), (WHITE, (200,) * 3)),
        (saved(halves((40, 0), (200, 255), "LA"), "PNG"), (WHITE, (200,) * 3)),
        (saved(halves(0, 1, "1"), "PNG"), ((0,) * 3, WHITE)),
        (saved(halves(10_240, 51_200, "I;16"), "PNG"), ((40,) * 3, (200,) * 3)),
        (saved(halves(RED, BLUE).quantize(4), "PNG"), (RED, BLUE)),
        (saved(halves(RED, BLUE).quantize(2), "PNG", transparency=bytes((0, 255))), "palette"),
        (saved(halves(RED, BLUE), "PNG", icc_profile=b"broken"), (RED, BLUE)),
        (saved(halves(RED, BLUE), "PNG", icc_profile=odd_press()), (RED, BLUE)),
        (saved(halves(64, 255, "L"), "PNG", icc_profile=linear_grey()), ((137,) * 3, WHITE)),
    ],
    ids=range(15),
)  # fmt: skip
def test_every_kind_of_pixel_becomes_8_bit_rgb(body, expected):
    """Grey, palettes, 16 bits, transparency of each kind; what shows through is white."""
    found = sides(taken(body))
    if expected == "palette":
        assert WHITE in found
        assert set(found) & {RED, BLUE}
    else:
        assert found == expected


def test_colours_of_16_bits_are_scaled():
    """Each sample keeps its high byte."""
    row = b"\0" + struct.pack(">3H", 0xC8FF, 0x1E00, 0x1E80) * 40
    body = png(40, 40, chunk(b"IDAT", zlib.compress(row * 40)), END, depth=16)
    assert taken(body).getpixel((20, 20)) == (0xC8, 0x1E, 0x1E)


def test_a_camera_is_turned_upright():
    """All eight orientations of EXIF in each format give the same picture."""
    plain = np.zeros((48, 64, 3), np.uint8)
    plain[:24, :32], plain[:24, 32:], plain[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
            8: lambda a: np.rot90(a, -1)}  # fmt: skip
    for name, options in (("PNG", {}), ("JPEG", {"quality": 100, "subsampling": 0}), ("WEBP", {"lossless": True})):
        for orientation, turn in undo.items():
            exif = Image.Exif()
            exif[0x0112] = orientation
            body = saved(Image.fromarray(np.ascontiguousarray(turn(plain))), name, exif=exif, **options)
            found = np.asarray(taken(body)).astype(int)
            assert found.shape == plain.shape, (name, orientation)
            assert np.abs(found - plain).max() < 12, (name, orientation)


def test_profiles_are_applied_and_dropped():
    """A wide space's red is another red in sRGB, in each format; transparent parts are white all the same."""
    for name, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        left, right = sides(taken(saved(halves(RED, WHITE), name, icc_profile=wide_rgb(), **options)))
        assert np.abs(np.array(left) - (217, 0, 0)).max() < 40
        assert left != RED
        assert right == WHITE
        clear = halves((*RED, 255), (0, 0, 0, 0), "RGBA")
        assert sides(taken(saved(clear, name, icc_profile=wide_rgb(), **options))) == (left, WHITE)


def test_inks_become_light():
    """CMYK of a JPEG, by its profile or without one."""
    inks = halves((255, 0, 0, 0), (0, 0, 0, 0), "CMYK")
    bare, paper = sides(taken(saved(inks, "JPEG", quality=100)))
    assert bare[0] < 30
    assert min(bare[1:]) > 200
    assert min(paper) > 250
    by_profile, _ = sides(taken(saved(inks, "JPEG", quality=100, icc_profile=odd_press())))
    assert by_profile[0] > 200
    assert max(by_profile[1:]) < 100


def test_an_animation_gives_its_first_frame():
    """Of a WebP and of a PNG that move."""
    frames = [halves(RED, RED), halves(BLUE, BLUE)]
    for name, options in (("WEBP", {"lossless": True}), ("PNG", {})):
        body = saved(frames[0], name, save_all=True, append_images=frames[1:], duration=100, **options)
        assert sides(taken(body)) == (RED, RED)


def test_metadata_goes():
    """Of EXIF, texts and XMP nothing is left in the file that is stored."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET"
    for name in ("JPEG", "PNG", "WEBP"):
        body = saved(halves(RED, BLUE), name, exif=exif, icc_profile=wide_rgb(), xmp=b"<x>SECRET</x>")
        assert b"SECRET" in body
        made = intake.take_source(body, "image")
        assert b"SECRET" not in made.body
        assert [made.body.count(name) for name in (b"eXIf", b"iCCP", b"tEXt", b"iTXt")] == [0] * 4
        assert made.original == b""


def test_an_original_with_credentials_is_kept(chain):
    """As it was sent, in each format; own pictures may be AVIF, those from outside may not."""
    signer = open_signer(chain.chain, chain.key, anchors=chain.anchor)
    manifest = make_manifest()
    for name in ("PNG", "JPEG", "WEBP", "AVIF"):
        signed = signer.sign(saved(halves(RED, BLUE), name), f"image/{name.lower()}", manifest).body
        made = intake.take_source(signed, "image", formats=intake.OWN_FORMATS)
        assert made.original == signed
        assert b"c2pa" not in made.body
    with pytest.raises(errors.InvalidField, match="Invalid image"):
        intake.take_source(signed, "image")


@pytest.mark.parametrize(
    ("size", "fits"),
    [((32, 32), True), ((31, 400), False), ((400, 31), False), ((1, 1), False), ((32, 512), True), ((32, 513), False),
     ((20_000, 10), False), ((20_000, 1_250), True), ((8_000, 4_000), True), ((8_001, 4_000), False)],
)  # fmt: skip
def test_shape_and_size_have_limits(size, fits):
    """Read from the header: what does not fit is refused before a pixel is decoded."""
    body = png(*size, pixels((size[0] + 7) // 8 * size[1] + size[1]) if fits else b"", END, depth=1, kind=0)
    if fits:
        assert intake.take_source(body, "image").width == size[0]
    else:
        with pytest.raises(errors.InvalidField, match="Invalid image"):
            intake.take_source(body, "image")
        with pytest.raises(errors.InvalidField, match="Invalid mask"):
            intake.take_mask(body, "mask", size=(64, 64))


def mask_of(body, size=(WIDTH, HEIGHT)):
    made = intake.take_mask(body, "mask", size=size)
    image = Image.open(io.BytesIO(made.body))
    assert (image.format, image.mode, image.size) == ("PNG", "L", size)
    return image


@pytest.mark.parametrize(
    ("image", "levels"),
    [
        (halves(0, 255, "L"), (0, 255)),
        (halves((0, 0, 0), (255, 255, 255)), (0, 255)),
        (halves((0, 0, 0, 255), (0, 0, 0, 0), "RGBA"), (0, 255)),
        (halves((255, 0, 0), (0, 255, 0)), (76, 150)),
        (halves(0, 1, "1"), (0, 255)),
        (halves(0, 65_535, "I;16"), (0, 255)),
    ],
    ids=range(6),
)
def test_a_mask_is_its_luma(image, levels):
    """Of colours, of grey of each depth; transparent parts are white, and so redrawn. A profile changes nothing."""
    assert sides(mask_of(saved(image, "PNG"))) == levels
    if image.mode == "L":
        assert sides(mask_of(saved(image, "PNG", icc_profile=linear_grey()))) == levels


def test_a_mask_is_scaled_to_its_source():
    """Whatever its own ratio; its halves stay halves."""
    for size in ((64, 300), (1344, 768), (96, 64)):
        assert sides(mask_of(saved(halves(0, 255, "L"), "PNG"), size)) == (0, 255)
