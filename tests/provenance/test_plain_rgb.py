"""Plain RGB files: the pixels of another program's PNG and nothing else of it."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from imgen.provenance.plain_rgb import is_whole, plain_rgb, size, with_exif

PIXELS = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
ROWS = b"".join(b"\0" + row.tobytes() for row in PIXELS)
"""Picture data, in rows that no filter has changed."""


def png(mode="RGB", **options):
    """A PNG of the pixels in another mode of Pillow."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "PNG", **options)
    return file.getvalue()


def told():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a secret prompt")
    texts.add_itxt("workflow", "a secret prompt")
    return {"pnginfo": texts, "exif": b"Exif\0\0a secret prompt", "icc_profile": b"a secret prompt", "gamma": 1}


def test_pixels_stay_and_nothing_else_does():
    """Texts, EXIF and profile of a file are gone, and its pixels are the same."""
    plain = plain_rgb(png(**told()))
    assert b"secret" in png(**told())
    assert b"secret" not in plain
    with Image.open(io.BytesIO(plain)) as image:
        assert np.array_equal(np.asarray(image), PIXELS)
        assert image.info == {}


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"])
def test_exif_is_read_again(exif):
    """EXIF that is written into a file is what Pillow finds in it, and the pixels stay."""
    with Image.open(io.BytesIO(with_exif(plain_rgb(png()), exif))) as image:
        assert image.info.get("exif", b"") == exif
        assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "LA", "I;16"])
def test_other_modes_are_none(mode):
    """A file with transparency, a palette, grey or more bits is no plain one."""
    assert plain_rgb(png(mode) if mode != "I;16" else deep()) == b""


def deep():
    file = io.BytesIO()
    Image.fromarray(PIXELS[..., 0].astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def test_another_file_is_none():
    """Another format, a file that is cut off, and no file at all are no plain ones."""
    jpeg = io.BytesIO()
    Image.fromarray(PIXELS).save(jpeg, "JPEG")
    bodies = [jpeg.getvalue(), b"", png()[:30], png()[:-30], b"\x89PNG\r\n\x1a\n"]
    assert [plain_rgb(body) for body in bodies] == [b""] * len(bodies)


def test_size_and_wholeness_are_told():
    """Of a file as it came, in one part of picture data or in many."""
    bodies = [plain_rgb(png()), built(zlib.compress(ROWS)), built(zlib.compress(ROWS), part=100)]
    assert [(size(body), is_whole(body)) for body in bodies] == [((60, 40), True)] * 3


def test_no_byte_can_be_another():
    """Whichever byte is changed, the file is not whole, or none at all."""
    body = plain_rgb(png())
    changed = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(0, len(body) - 12, 3)]
    assert not any(plain_rgb(one) and is_whole(plain_rgb(one)) for one in changed)


@pytest.mark.parametrize(
    "data",
    [
        zlib.compress(ROWS[:-1]),
        zlib.compress(ROWS + b"\0"),
        zlib.compress(b"\x05" + ROWS[1:]),
        zlib.compress(ROWS) + b"hidden",
        zlib.compress(ROWS)[:-1],
        zlib.compress(bytes(10**7)),
        b"",
    ],
    ids=["a byte short", "a byte long", "no such filter", "something follows", "no checksum", "a bomb", "nothing"],
)
def test_picture_data_of_other_rows_is_not_whole(data):
    """Each part's checksum is right, and a decoder would still fail, guess, or find something else."""
    assert not is_whole(plain_rgb(built(data)))


def built(data, part=10**9):
    """A PNG of the pixels' size with this picture data, in parts of so many bytes."""
    parts = [data[at : at + part] for at in range(0, len(data), part)] or [b""]
    header = struct.pack(">II5B", 60, 40, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *((b"IDAT", one) for one in parts), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
