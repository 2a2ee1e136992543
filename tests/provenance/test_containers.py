"""Pictures that people have: odd, harmless and read as they look; what is truly broken is refused."""

import io
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from bombs import END, chunk, png, saved
from PIL import Image

from imgen.domain import errors
from imgen.provenance import branding, untrusted_image
from imgen.provenance.inspection import inspect_picture

EXIF = Image.Exif()
EXIF[0x0112] = 1


def _logo():
    y, x = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 5, (x + y) * 2], -1).astype(np.uint8))


LOGO = _logo()
JPEG, PNG, WEBP = (saved(LOGO, name, exif=EXIF) for name in ("JPEG", "PNG", "WEBP"))
RANDOM = random.Random(0).randbytes(2_500_000)
"""As long as the film that a phone puts behind a picture; it has every pair of bytes, markers among them."""


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def first(*segments):
    """The JPEG with segments right after its start."""
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def segments(body):
    """(start, end) of each segment before the first scan's data."""
    at = 2
    while body[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(body[at + 2 : at + 4], "big")
        yield at, end
        at = end
    yield at, len(body)


def filled(count):
    """The JPEG with fill bytes before each of its markers."""
    return JPEG[:2] + b"".join(b"\xff" * count + JPEG[start:end] for start, end in segments(JPEG))


def with_chunk(*chunks):
    """The PNG with chunks before its pixels."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def wrong(body):
    """A chunk whose checksum is wrong."""
    return body[:-4] + b"\0\1\2\3"


def webp_with(name, content):
    """The WebP with the content of one of its metadata chunks replaced or added (RFC 9649)."""
    flags = {b"EXIF": 0x08, b"ICCP": 0x20, b"XMP ": 0x04}
    body = saved(LOGO, "WEBP", lossless=True)
    picture = body[12:]
    made = name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    head = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes([flags[name], 0, 0, 0])
        + (63).to_bytes(3, "little")
        + (47).to_bytes(3, "little")
    )
    chunks = head + made + picture if name == b"ICCP" else head + picture + made
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


ODD_JPEGS = {
    "fill bytes": filled(3),
    "fill bytes by the thousand": filled(5000),
    "a film behind it": JPEG + RANDOM,
    "a second picture behind it": JPEG + JPEG,
    "zeros behind it": JPEG + bytes(100_000),
    "Adobe's segment a byte short": first(segment(0xEE, b"Adobe\0d@\0\0\0"), b"\x01"),
    "Adobe's segment of two bytes": first(segment(0xEE, b"Ad")),
    "an empty segment": first(segment(0xEE, b""), segment(0xE0, b""), segment(0xE1, b"")),
    "a segment 14 of nobody": first(segment(0xEE, b"Nobody knows")),
    "bytes between segments": first(
        segment(0xE1, b"x"), b"\x04\x06\0\0\0\7\0\4", segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\xff")
    ),
    "escaped bytes between segments": first(segment(0xE1, b"x"), b"\xff\0\xff\0"),
    "EXIF of rubbish": first(segment(0xE1, b"Exif\0\0rubbish")),
    "EXIF that ends early": first(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x20")),
    "EXIF that points beyond itself": first(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f")),
    "EXIF with a resolution of nothing": first(
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x1a\1\5\0\1\0\0\0\x1a\0\0\0\0\0\0\0" + bytes(8))
    ),
    "XMP of rubbish": first(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmp")),
    "a profile of rubbish": first(segment(0xE2, b"ICC_PROFILE\0\7\2rubbish")),
    "a list of pictures of rubbish": first(segment(0xE2, b"MPF\0rubbish")),
    "a JFIF segment cut short": first(segment(0xE0, b"JFIF\0\1")),
    "Photoshop's segment cut short": first(segment(0xED, b"Photoshop 3.0\x008BIM\4\x04\0\0\0\0\xff\xff")),
    "two starts": JPEG[:2] + JPEG,
    "comments with markers in them": first(segment(0xFE, b"\xff\xd9\xff\xda\xff\xd8" * 9)),
}

ODD_PNGS = {
    "data behind its end": PNG + RANDOM,
    "an end without checksum": PNG[:-4],
    "a text with a wrong checksum": with_chunk(wrong(chunk(b"tEXt", b"a\0b"))),
    "a text without a keyword": with_chunk(chunk(b"tEXt", b"nothing")),
    "a compressed text of rubbish": with_chunk(chunk(b"zTXt", b"a\0\0rubbish")),
    "a text compressed by another method": with_chunk(chunk(b"zTXt", b"a\0\7rubbish")),
    "an international text of rubbish": with_chunk(chunk(b"iTXt", b"a\0\1\0\xff\xff\0rubbish")),
    "EXIF of rubbish": with_chunk(chunk(b"eXIf", b"rubbish")),
    "EXIF with a wrong checksum": with_chunk(wrong(chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0"))),
    "EXIF in a text that is no hex": with_chunk(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 8\nnothex")),
    "a profile of rubbish": with_chunk(chunk(b"iCCP", b"name\0\0rubbish")),
    "a profile compressed by another method": with_chunk(chunk(b"iCCP", b"name\0\7rubbish")),
    "a resolution of two bytes": with_chunk(chunk(b"pHYs", b"ab")),
    "colours of two bytes": with_chunk(chunk(b"gAMA", b"ab"), chunk(b"cHRM", b"ab"), chunk(b"sRGB", b"")),
    "a time of one byte": with_chunk(chunk(b"tIME", b"a")),
    "a chunk that nobody knows": with_chunk(wrong(chunk(b"npTc", b"nine patches"))),
    "an animation of no frames": with_chunk(chunk(b"acTL", bytes(8))),
    "an animation cut short": with_chunk(chunk(b"acTL", b"ab")),
}

ODD_WEBPS = {
    "data behind its end": WEBP + RANDOM,
    "EXIF of rubbish": webp_with(b"EXIF", b"garbage!"),
    "EXIF of nothing": webp_with(b"EXIF", b""),
    "EXIF that ends early": webp_with(b"EXIF", b"MM\0*\0\0\0\x08\0\x20"),
    "a profile of rubbish": webp_with(b"ICCP", b"rubbish"),
    "XMP of rubbish": webp_with(b"XMP ", b"<x:xmp"),
}

ODD = {
    f"{kind}: {name}": body
    for kind, bodies in (("JPEG", ODD_JPEGS), ("PNG", ODD_PNGS), ("WebP", ODD_WEBPS))
    for name, body in bodies.items()
}


@pytest.mark.parametrize("name", ODD)
def test_odd_and_harmless_files_are_read_as_they_look(name):
    """As a logo and by `verify`: the pixels are those of the same file without its oddity, and no warning comes out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = branding.open_logo(ODD[name])
        found = inspect_picture(ODD[name])
    assert np.abs(read[..., :3].astype(int) - np.asarray(LOGO)).mean() < 6
    assert read[..., 3].min() == 255
    assert (found.width, found.height) == LOGO.size


def test_film_behind_a_picture_costs_no_pixel():
    """Byte for byte what the same JPEG gives alone."""
    assert np.array_equal(branding.open_logo(JPEG + RANDOM), branding.open_logo(JPEG))


def test_progressive_pictures_are_read_to_their_last_scan():
    """Tables between scans stay, restarts too, and nothing behind the end counts as a scan."""
    image = LOGO.resize((640, 480))
    for options in (
        {"progressive": True, "optimize": True},
        {"restart_marker_blocks": 3},
        {"progressive": True, "restart_marker_rows": 1},
    ):
        body = saved(image, "JPEG", quality=95, **options)
        with Image.open(io.BytesIO(body)) as plain:
            expected = np.asarray(plain.convert("RGB"))
        assert np.array_equal(branding.open_logo(body + RANDOM)[..., :3], expected), options


def test_colours_of_adobes_pictures_stay():
    """CMYK and RGB without conversion are told by Adobe's segment alone, which is kept where it is whole."""
    for mode in ("CMYK", "RGB"):
        options = {"keep_rgb": True} if mode == "RGB" else {}
        body = saved(LOGO.convert(mode), "JPEG", quality=100, **options)
        with Image.open(io.BytesIO(body)) as plain:
            expected = np.asarray(plain.convert("RGB"))
        assert np.array_equal(branding.open_logo(first_comment(body))[..., :3], expected)


def first_comment(body):
    return body[:2] + segment(0xFE, b"a comment") + body[2:]


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_still_honoured(kind, orientation):
    """A camera's turn counts, whatever else was dropped."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = branding.open_logo(saved(LOGO, kind, exif=exif))
    assert read.shape[:2] == ((64, 48) if orientation in (6, 8) else (48, 64))


# ------------------------------------------------------------------ transparent colours


def grey(depth, transparent):
    """A PNG of the greys 0, 1, 2, … of that depth side by side, one of them transparent."""
    levels = min(2**depth, 64)
    row = "".join(f"{level:0{depth}b}" for level in range(levels))
    row += "0" * (-len(row) % 8)
    data = int(row, 2).to_bytes(len(row) // 8, "big")
    body = chunk(b"IDAT", zlib.compress(b"\0" + data))
    return png(levels, 1, chunk(b"tRNS", struct.pack(">H", transparent)), body, END, depth=depth, kind=0)


@pytest.mark.parametrize(
    ("depth", "transparent"),
    [(1, 0), (1, 1), (2, 0), (2, 2), (2, 3), (4, 0), (4, 9), (4, 15), (8, 7), (16, 0), (16, 5)],
)
def test_transparent_grey_of_every_depth_shows_the_ground(depth, transparent):
    """Of all the greys exactly that one is transparent, and the others are opaque."""
    alpha = branding.open_logo(grey(depth, transparent))[0, :, 3]
    assert [index for index, level in enumerate(alpha) if level == 0] == [transparent]
    assert set(alpha) == {0, 255}


def test_grey_of_16_bits_keeps_its_levels():
    """They are scaled, not cut off at 255: as a logo and for a fingerprint."""
    samples = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    body = saved(Image.fromarray(samples), "PNG")
    assert np.array_equal(branding.open_logo(body)[..., 0], samples >> 8)
    eight_bits = saved(Image.fromarray((samples >> 8).astype(np.uint8)), "PNG")
    assert inspect_picture(body).fingerprint == inspect_picture(eight_bits).fingerprint


@pytest.mark.parametrize("depth", [8, 16])
def test_transparent_colour_shows_the_ground(depth):
    """Of red, green and blue side by side, green is transparent."""
    full = 2**depth - 1
    code = ">9B" if depth == 8 else ">9H"
    row = struct.pack(code, full, 0, 0, 0, full, 0, 0, 0, full)
    body = chunk(b"IDAT", zlib.compress(b"\0" + row))
    trns = chunk(b"tRNS", struct.pack(">3H", 0, full, 0))
    read = branding.open_logo(png(3, 1, trns, body, END, depth=depth, kind=2))
    assert read[0, :, 3].tolist() == [255, 0, 255]


def test_palette_with_transparency_is_read_without_a_warning():
    """By `verify`, which looks at the colours alone."""
    image = LOGO.convert("P")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inspect_picture(saved(image, "PNG", transparency=bytes(range(100)))).width == 64


# ------------------------------------------------------------------ AVIF, and what stays refused


@pytest.mark.parametrize("tail", [b"", RANDOM])
def test_first_picture_of_an_avif_sequence_is_read(tail):
    """Its brand is `avis`; the picture is its first frame, not the last."""
    others = [Image.new("RGB", LOGO.size, "red")] * 3
    body = saved(LOGO, "AVIF", save_all=True, append_images=others, duration=100, quality=90)
    assert body[8:12] == b"avis"
    assert inspect_picture(body + tail).width == LOGO.width
    with untrusted_image.open_untrusted(body + tail, "image", ("AVIF",)) as image:
        read = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(read - np.asarray(LOGO)).mean() < 6


@pytest.mark.parametrize("damage", [b"garb", b"MM\0*\0\0\xff\xff", b"MM\0*\0\0\0\x08\0\x20"])
def test_avif_with_broken_exif_is_read(damage):
    """Its decoder would refuse it."""
    body = saved(LOGO, "AVIF", exif=b"MM\0*\0\0\0\x08\0\1\1\x0f\0\2\0\0\0\4cam\0\0\0\0\0")
    assert body.count(b"MM\0*\0\0\0\x08\0\1") == 1
    assert inspect_picture(body.replace(b"MM\0*\0\0\0\x08\0\1"[: len(damage)], damage)).width == LOGO.width


@pytest.mark.parametrize(
    "body",
    [
        JPEG[: len(JPEG) // 2],
        JPEG[: len(JPEG) // 2] + bytes(1000),
        JPEG[:300],
        first(b"\xff\xe1\xff\xff"),
        JPEG[:2] + b"\xff\xd9",
        JPEG[:2] + segment(0xFE, b"x") * 5000 + JPEG[2:],
        PNG[: len(PNG) // 2],
        PNG[:-12],
        PNG[:33] + chunk(b"tEXt", b"a\0b") * 5000 + PNG[33:],
        wrong(PNG[:33]) + PNG[33:],
        WEBP[: len(WEBP) // 2],
    ],
)
def test_what_is_cut_off_or_endless_stays_refused(body):
    """Half a picture is none, and neither is a header without end."""
    with pytest.raises(errors.InvalidField):
        branding.open_logo(body)


def test_damaged_metadata_alone_refuses_no_picture():
    """Three hundred files whose EXIF is damaged at random are all read."""
    exif = Image.Exif()
    for tag in (0x010F, 0x0110, 0x0131, 0x013B):
        exif[tag] = "words of a camera"
    exif[0x011A] = exif[0x011B] = 72.0
    rng = np.random.default_rng(0)
    for index in range(300):
        kind = ("JPEG", "PNG", "WEBP")[index % 3]
        block = bytearray(exif.tobytes())
        for place in rng.integers(6, len(block), 4):
            block[place] = rng.integers(0, 256)
        body = saved(LOGO, kind, exif=bytes(block))
        assert branding.open_logo(body).shape[2] == 4, (kind, bytes(block))
