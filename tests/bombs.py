"""Pictures built to break or to exhaust: small to send and large to open, broken, or lying about themselves."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def saved(image, file_format, **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def chunk(name, data=b"", length=None):
    crc = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data) if length is None else length) + name + data + crc


def png(width, height, *chunks, depth=8, kind=2, interlace=0):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)


def pixels(size, value=0):
    """IDAT of that many equal bytes, neither held nor compressed: a compressed megabyte, repeated, and the sum of RFC 1950 to it."""
    squeeze = zlib.compressobj(9, wbits=-15)
    block = bytes([value]) * (1 << 20)
    megabyte = squeeze.compress(block) + squeeze.flush(zlib.Z_FULL_FLUSH)  # which looks back at nothing before it
    rest = squeeze.compress(block[: size % (1 << 20)]) + squeeze.flush()
    low, high = 1 + size * value, size + value * size * (size + 1) // 2
    adler = (high % 65_521) << 16 | low % 65_521
    return chunk(b"IDAT", b"\x78\xda" + megabyte * (size >> 20) + rest + struct.pack(">I", adler))


END = chunk(b"IEND")
CLAIMED = [
    *((side, side) for side in (0, 4_100, 8_000, 20_000, 30_000, 65_535, 2**31 - 1)),
    *((2**31 - 1, 1), (1, 2**31 - 1), (16_000_001, 1)),
]
"""Sizes beyond all limits, and none, for headers with hardly a pixel behind them."""


def jpeg_header(body, width, height):
    """The same JPEG, saying it is of another size."""
    at = body.index(b"\xff\xc0") + 5
    return body[:at] + struct.pack(">HH", height, width) + body[at + 4 :]


def webp(*chunks):
    content = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(content)) + content


def vp8x(width, height, flags=0):
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def many_scans(width, height, scans):
    """A progressive JPEG whose last scan, one byte of data, is repeated."""
    body = saved(Image.new("L", (width, height)), "JPEG", progressive=True)
    last = body.rindex(b"\xff\xda")
    return body[:-2] + body[last:-2] * scans + b"\xff\xd9"


def make_bombs():
    """Pictures by name: those that must be refused, and unusual ones that are pictures all the same."""
    logo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    good = {name: saved(logo, name) for name in ("PNG", "JPEG", "WEBP")}
    moving = saved(logo, "WEBP", save_all=True, append_images=[logo] * 3)
    text = b"A" * 30_000_000
    exif = Image.Exif()
    exif[0x0112] = 6
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    large = {name: saved(Image.new("RGB", (5_000, 5_000)), name) for name in ("JPEG", "WEBP", "PNG")}
    tiny = {name: saved(Image.new("RGB", (1, 1)), name) for name in ("GIF", "BMP", "TIFF", "PPM", "ICO")}
    frames = [Image.new("RGB", (2_000, 2_000), (shade, 0, 0)) for shade in range(10)]
    refused = {
        "nothing": b"",
        "one byte": b"\x89",
        "text": b"hello" * 100,
        "html": b"<!doctype html><img src=x>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "gif": saved(logo, "GIF"),
        "bmp": saved(logo, "BMP"),
        "tiff": saved(logo, "TIFF"),
        "avif": saved(logo, "AVIF"),
        "jpeg 2000": saved(logo, "JPEG2000"),
        "ico": saved(logo, "ICO"),
        "pdf": saved(logo, "PDF"),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "png signature alone": good["PNG"][:8],
        "png without pixels": png(10, 10, END),
        "png without end": good["PNG"][:-12],
        "png cut in half": good["PNG"][: len(good["PNG"]) // 2],
        "png with wrong checksum": good["PNG"][:30] + bytes(3) + good["PNG"][33:],
        "png with broken deflate": png(10, 10, chunk(b"IDAT", b"\x78\x9c" + b"\xff" * 50), END),
        "png with endless chunk length": png(10, 10, chunk(b"tEXt", b"a", length=0xFFFFFFFF), END),
        "png of no width": png(0, 10, pixels(100), END),
        "png of 200 megapixels": png(20_000, 10_000, pixels(600_010_000), END),
        "png of 4 gigapixels": png(65_535, 65_535, pixels(1000), END),
        "png of 2³¹ pixels wide": png(2**31 - 1, 1, pixels(1000), END),
        "png just over the limit": png(4001, 4000, pixels(100), END),
        "interlaced png over the limit": png(5000, 5000, pixels(100), END, interlace=1),
        "png with 300,000 empty chunks": png(10, 10, chunk(b"prVt") * 300_000, pixels(310), END),
        "png with text that unfolds to 30 MB": png(
            10, 10, chunk(b"zTXt", b"k\0\0" + zlib.compress(text)), pixels(310), END
        ),
        "png with 300 texts of a megabyte": png(
            10, 10, chunk(b"zTXt", b"k\0\0" + zlib.compress(text[:900_000])) * 300, END
        ),
        "png of an odd kind": png(10, 10, pixels(310), END, kind=5),
        "png of an odd depth": png(10, 10, pixels(310), END, depth=3),
        "jpeg signature alone": b"\xff\xd8\xff",
        "jpeg cut in its header": good["JPEG"][:100],
        "jpeg cut in half": good["JPEG"][: len(good["JPEG"]) // 2],
        "jpeg that says 65,535²": jpeg_header(good["JPEG"], 65_535, 65_535),
        "jpeg of no height": jpeg_header(good["JPEG"], 64, 0),
        "jpeg with 500,000 comments": good["JPEG"][:2] + b"\xff\xfe\x00\x02" * 500_000 + good["JPEG"][2:],
        "jpeg with 2,000 scans": many_scans(4000, 4000, 2000),
        "jpeg without tables": b"\xff\xd8" + b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00" + b"\xff\xd9",
        "webp cut in half": good["WEBP"][: len(good["WEBP"]) // 2],
        "webp header alone": good["WEBP"][:12],
        "webp of a canvas of 16,384²": webp(vp8x(16_384, 16_384, 2), (b"ANIM", bytes(6))),
        "webp of a canvas of 2²⁴": webp(vp8x(1 << 24, 1 << 24), (b"VP8 ", b"x" * 50)),
        "webp that says 16,383² in VP8": good["WEBP"][:26] + struct.pack("<HH", 16_383, 16_383) + good["WEBP"][30:],
        "webp that says 16,384² in VP8L": webp((b"VP8L", b"\x2f" + b"\xff\xff\xff\x0f" + bytes(60))),
        "webp with a broken frame": webp((b"VP8 ", b"\x30\1\0\x9d\1\x2a\x40\0\x40\0")),
        "webp with a lying length": good["WEBP"][:4] + b"\xff\xff\xff\x7f" + good["WEBP"][8:60],
        "zip after a png signature": good["PNG"][:8] + b"PK\x03\x04" + bytes(200),
        **{
            f"png that says {width} × {height}": png(width, height, pixels(5), END, kind=6) for width, height in CLAIMED
        },
        **{
            f"flat png of {side}²": png(side, side, pixels((4 * side + 1) * side), END, kind=6)
            for side in (4_100, 8_000)
        },
        **{f"{name} of 25 megapixels": body for name, body in large.items()},
        **{f"{name} of 25 megapixels, cut": body[: len(body) // 2] for name, body in large.items()},
        **{f"{name} of one pixel": body for name, body in tiny.items()},
        **{f"{name} of one pixel, cut": body[: len(body) // 2] for name, body in tiny.items()},
    }
    opened = {
        **{f"{name} of one pixel": saved(Image.new("RGB", (1, 1)), name) for name in ("JPEG", "WEBP", "PNG")},
        "webp that moves at 2,000²": saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "png with a text of a megabyte": good["PNG"][:33] + chunk(b"tEXt", b"a\0" + b"x" * (1 << 20)) + good["PNG"][33:],
        "jpeg whose exif points at itself": good["JPEG"][:2] + b"\xff\xe1" + struct.pack(">H", len(loop) + 2) + loop + good["JPEG"][2:],
        "png that carries exif": saved(logo, "PNG", exif=exif),
        "webp that moves": moving,
        "png of 16 megapixels": png(4000, 4000, pixels(64_004_000), END, kind=6),
        "jpeg of 16 megapixels in cmyk": saved(Image.new("CMYK", (4000, 4000)), "JPEG"),
        "palette png of 16 megapixels": saved(Image.new("P", (4000, 4000)), "PNG"),
    }  # fmt: skip
    return refused, opened
