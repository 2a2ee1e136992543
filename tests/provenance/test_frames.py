"""Frames: a listed picture is found within whatever plain surface shows it, in each lossy format, and no other one is."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from imgen.provenance import outside
from imgen.provenance.fingerprint import distance, fingerprint, orientations
from imgen.provenance.frames import MAX_SIDE, framed
from imgen.provenance.matchlist import LEAST_QUALITY, MATCH_DISTANCE

SIZE = (300, 400)
"""Height and width of the listed pictures."""
ENCODERS = {
    "PNG": {},
    "JPEG 60": {"quality": 60},
    "JPEG 60 in full colour": {"quality": 60, "subsampling": 0},
    "JPEG 80": {"quality": 80},
    "JPEG 95": {"quality": 95},
    "WEBP 60": {"quality": 60},
    "WEBP 90": {"quality": 90},
    "AVIF 60": {"quality": 60},
    "AVIF 90": {"quality": 90},
}


def on(ground, picture, left, top, right, bottom):
    whole = Image.new("RGB", (picture.width + left + right, picture.height + top + bottom), ground)
    whole.paste(picture, (left, top))
    return whole


def border(*layers):
    """Frames of some colours and widths, from the picture outwards."""

    def frame(picture):
        for ground, width in layers:
            picture = on(ground, picture, *(width,) * 4)
        return picture

    return frame


def lit_from_one_side(picture):
    """As a scanner with a tired lamp sees a mount."""
    whole = on("white", picture, 40, 40, 40, 40)
    light = np.linspace(250, 205, whole.width)[None] - np.linspace(0, 15, whole.height)[:, None]
    ground = Image.fromarray(np.repeat(light.astype(np.uint8)[..., None], 3, axis=2))
    ground.paste(picture, (40, 40))
    return ground


def grainy(picture):
    whole = on("white", picture, 30, 40, 50, 30)
    grain = np.random.default_rng(5).normal(200, 5, (whole.height, whole.width, 3))
    ground = Image.fromarray(grain.clip(0, 255).astype(np.uint8))
    ground.paste(picture, (30, 40))
    return ground


def soft(picture):
    """Frame and picture run together over six pixels."""
    whole = on("white", picture, 36, 36, 36, 36)
    edge = Image.new("L", whole.size)
    ImageDraw.Draw(edge).rectangle((36, 36, 35 + picture.width, 35 + picture.height), fill=255)
    return Image.composite(whole, Image.new("RGB", whole.size, "white"), edge.filter(ImageFilter.GaussianBlur(1.5)))


def rounded(picture):
    corners = Image.new("L", picture.size)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, picture.width - 1, picture.height - 1), 8, fill=255)
    return on("black", Image.composite(picture, Image.new("RGB", picture.size), corners), 36, 36, 36, 36)


def with_shadow(picture):
    whole = Image.new("RGB", (picture.width + 72, picture.height + 72), (245, 245, 245))
    shadow = Image.new("L", whole.size)
    ImageDraw.Draw(shadow).rectangle((40, 40, 40 + picture.width, 40 + picture.height), fill=130)
    whole.paste((40, 40, 40), (0, 0), shadow.filter(ImageFilter.GaussianBlur(5)))
    whole.paste(picture, (36, 36))
    return whole


def dusty(picture):
    whole = on((20, 20, 20), picture, 40, 40, 40, 40)
    for x, y in np.random.default_rng(6).integers(0, 30, (8, 2)):
        whole.putpixel((int(x), int(y)), (255, 255, 255))
    return whole


def captioned(picture):
    whole = on((246, 244, 240), picture, 24, 24, 24, 90)
    ImageDraw.Draw(whole).text((40, picture.height + 44), "Summer holidays", fill=(20, 30, 120), font_size=30)
    return whole


def on_a_page(picture):
    whole = on("white", picture, 40, 100, 160, 170)
    draw = ImageDraw.Draw(whole)
    draw.rectangle((0, 0, whole.width, 30), fill=(60, 64, 70))
    draw.text((20, 8), "https://example.org/gallery", fill="white", font_size=14)
    draw.text((40, 50), "A gallery of pictures", fill="black", font_size=26)
    for line in range(6):
        draw.text(
            (40, picture.height + 120 + 22 * line), "A tree stands by a lake in autumn."[line:], fill=(30, 30, 30)
        )
    return whole


def on_a_phone(picture):
    whole = on("black", picture, 0, 180, 0, 220)
    draw = ImageDraw.Draw(whole)
    draw.text((10, 6), "12:30", fill="white", font_size=20)
    draw.text((whole.width - 60, 6), "80 %", fill="white", font_size=20)
    for place in range(3):
        draw.ellipse(
            (60 + 120 * place, whole.height - 50, 90 + 120 * place, whole.height - 20), outline="white", width=3
        )
    return whole


SHOWN = {
    **{f"{colour}, {width} px": border((colour, width)) for colour in ("white", "#808080", "#c03020") for width in (3, 8, 30, 150)},
    "uneven": lambda picture: on((40, 90, 60), picture, 12, 90, 55, 25),
    "bars above and below": lambda picture: on("black", picture, 0, 70, 0, 70),
    "bars beside": lambda picture: on("black", picture, 90, 0, 90, 0),
    "left alone": lambda picture: on((220, 200, 180), picture, 60, 0, 0, 0),
    "below alone": lambda picture: on("white", picture, 0, 0, 0, 60),
    "in a corner": lambda picture: on((250, 250, 240), picture, 50, 40, 0, 0),
    "passe-partout": border(((240, 235, 220), 24), ((60, 30, 10), 16)),
    "three colours": border(((20, 20, 20), 6), ("white", 30), ((150, 20, 20), 20)),
    "lit from one side": lit_from_one_side,
    "grainy": grainy,
    "soft": soft,
    "rounded": rounded,
    "with a shadow": with_shadow,
    "dusty": dusty,
    "captioned": captioned,
    "on a page": on_a_page,
    "on a phone": on_a_phone,
    "mirrored": lambda picture: border(("white", 30))(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda picture: border(("white", 30))(picture).transpose(Image.Transpose.ROTATE_90),
}  # fmt: skip


def sky(picture):
    """The same with a plain upper part, which could be taken for a frame."""
    picture = picture.copy()
    picture[: SIZE[0] // 4] = (130, 170, 220)
    return picture


@pytest.fixture(scope="module")
def listed(pictures):
    """Name → picture and its hash."""
    made = {name: pictures[name](*SIZE) for name in ("photo", "illustration")}
    made["sky"] = sky(made["photo"])
    for seed in (1, 2):
        coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
        made[f"clouds {seed}"] = np.asarray(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC))
    return {name: (Image.fromarray(one), fingerprint(one).hash) for name, one in made.items()}


def sent(image, encoder):
    file = io.BytesIO()
    image.save(file, encoder.split()[0], **ENCODERS[encoder])
    return np.asarray(Image.open(file).convert("RGB"))


def nearest(pixels, digest):
    """Least distance of any view to a hash."""
    hashes = (turned for view in outside.views(pixels) for turned in orientations(view))
    return min((distance(one.hash, digest) for one in hashes if one.quality >= LEAST_QUALITY), default=256)


def worst(listed, how, encoder):
    return max(nearest(sent(SHOWN[how](picture), encoder), digest) for picture, digest in listed.values())


@pytest.mark.parametrize("encoder", ["PNG", "JPEG 60", "WEBP 60"])
@pytest.mark.parametrize("how", SHOWN)
def test_a_listed_picture_is_found_within_its_frame(listed, how, encoder):
    """Frames of each colour and width on one to four sides, with soft edges, light and dust, on pages and screens."""
    assert worst(listed, how, encoder) <= MATCH_DISTANCE


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("how", ["#c03020, 8 px", "#808080, 30 px", "passe-partout", "lit from one side", "on a page"])
def test_no_format_and_quality_hides_a_frame(listed, how, encoder):
    """JPEG, WebP and AVIF of each quality, with colours at half the resolution or at the full one."""
    assert worst(listed, how, encoder) <= MATCH_DISTANCE


@pytest.mark.parametrize("how", SHOWN)
def test_a_cut_is_like_no_other_picture(listed, how):
    """Whatever is cut off, a picture that is not listed stays as far from a listed one as any."""
    names = list(listed)
    for name, other in zip(names, (*names[1:], names[0]), strict=True):
        if {name, other} != {"photo", "sky"}:
            assert nearest(sent(SHOWN[how](listed[name][0]), "JPEG 60"), listed[other][1]) > 2 * MATCH_DISTANCE


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (31, 31), (32, 32), (40, 900), (2048, 2048)])
def test_plain_and_small_pictures_hold_no_other(shape):
    """One colour, a slope of brightness, a single dot."""
    slope = np.repeat(np.linspace(0, 200, shape[1]).astype(np.uint8)[None, :, None], shape[0], axis=0).repeat(3, axis=2)
    dotted = np.zeros((*shape, 3), np.uint8)
    dotted[shape[0] // 2, shape[1] // 2] = 255
    for picture in (np.full((*shape, 3), 77, np.uint8), slope, dotted):
        assert list(framed(picture)) == []


def test_few_small_pictures_are_given(pictures):
    """Frames within frames have an end, and what is given is of the size that is hashed."""
    picture = Image.fromarray(pictures["photo"](*SIZE))
    for turn in range(12):
        picture = border((("white", "black")[turn % 2], 12))(picture)
    given = list(framed(np.asarray(picture.resize((2048, 1700)))))
    assert 4 <= len(given) <= 4 * 7
    assert max(side for one in given for side in one.shape[:2]) <= MAX_SIDE
