"""Pictures built to break or to exhaust: refused at once, under any name."""

import io
import json
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from imgen.domain import errors
from imgen.provenance import branding, untrusted_image


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
    """IDAT of that many equal bytes, made without holding them."""
    squeeze = zlib.compressobj(9)
    block = bytes([value]) * (1 << 20)
    data = b"".join(squeeze.compress(block) for _ in range(size >> 20)) + squeeze.compress(block[: size % (1 << 20)])
    return chunk(b"IDAT", data + squeeze.flush())


END = chunk(b"IEND")


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


def bombs():
    logo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    good = {name: saved(logo, name) for name in ("PNG", "JPEG", "WEBP")}
    moving = saved(logo, "WEBP", save_all=True, append_images=[logo] * 3)
    text = b"A" * 30_000_000
    exif = Image.Exif()
    exif[0x0112] = 6
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    cases = {
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
    }
    fine = {
        "jpeg whose exif points at itself": good["JPEG"][:2] + b"\xff\xe1" + struct.pack(">H", len(loop) + 2) + loop + good["JPEG"][2:],
        "png that carries exif": saved(logo, "PNG", exif=exif),
        "webp that moves": moving,
        "png of 16 megapixels": png(4000, 4000, pixels(64_004_000), END, kind=6),
        "jpeg of 16 megapixels in cmyk": saved(Image.new("CMYK", (4000, 4000)), "JPEG"),
        "palette png of 16 megapixels": saved(Image.new("P", (4000, 4000)), "PNG"),
    }  # fmt: skip
    return cases, fine


PROGRAM = """
import json, pathlib, re, sys, time, warnings
warnings.simplefilter("error")
from imgen.domain import errors
from imgen.provenance import branding
def memory(field):
    return int(re.search(field + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
warm = pathlib.Path(sys.argv[1], "warm").read_bytes()
branding.open_logo(warm)
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.bin")):
    body = path.read_bytes()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use
    before, start = memory("VmRSS"), time.process_time()
    try:
        outcome = list(branding.open_logo(body).shape)
    except errors.InvalidField as exc:
        outcome = exc.field
    found[path.stem] = outcome, (time.process_time() - start) * 1000, memory("VmHWM") - before
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What a fresh process made of each case: name → (outcome, milliseconds of a core, growth of its peak memory in MiB)."""
    if not pathlib.Path("/proc/self/clear_refs").exists():
        pytest.skip("measuring peak memory needs Linux's /proc/self/clear_refs")
    folder = tmp_path_factory.mktemp("bombs")
    cases, fine = bombs()
    names = [*cases, *fine]
    for index, body in enumerate([*cases.values(), *fine.values()]):
        (folder / f"{index:03}.bin").write_bytes(body)
    (folder / "warm").write_bytes(saved(Image.new("RGB", (64, 64)), "PNG"))
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, timeout=120, check=True)
    measured = json.loads(done.stdout)
    return {names[int(index)]: result for index, result in measured.items()}, set(cases), set(fine)


def test_over_40_bombs_and_broken_files_are_refused(outcomes):
    """Each is an `Invalid wm_image`, and no other error or warning comes out."""
    measured, cases, _ = outcomes
    assert len(cases) > 40
    assert {name: measured[name][0] for name in cases} == dict.fromkeys(cases, "wm_image")


def test_bombs_cost_neither_time_nor_memory(outcomes):
    """None takes 200 ms of a core or 100 MiB (time doubled here: test machines are shared)."""
    measured, cases, _ = outcomes
    slow = {name: measured[name][1] for name in cases if measured[name][1] > 400}
    large = {name: measured[name][2] for name in measured if measured[name][2] > 100}
    assert (slow, large) == ({}, {})


def test_unusual_files_are_opened_and_large_ones_made_small(outcomes):
    """Sixteen megapixels, animations and crooked metadata are a picture all the same, 2,048 pixels wide at most."""
    measured, _, fine = outcomes
    shapes = {name: measured[name][0] for name in fine}
    assert all(isinstance(shape, list) and shape[2] == 4 and max(shape) <= 2048 for shape in shapes.values()), shapes
    assert shapes["png of 16 megapixels"] == [2000, 2000, 4]


def test_random_damage_raises_nothing_else(pictures):
    """A thousand damaged files are opened or refused, and nothing else happens."""
    rng = np.random.default_rng(0)
    logo = Image.fromarray(pictures["illustration"](48, 48))
    bodies = [saved(logo, "PNG"), saved(logo, "JPEG"), saved(logo, "JPEG", progressive=True), saved(logo, "WEBP")]
    refused = 0
    for index in range(1000):
        damaged = np.frombuffer(bodies[index % len(bodies)], np.uint8).copy()
        places = rng.integers(0, min(len(damaged), 400 if index % 2 else len(damaged)), 6)
        damaged[places] = rng.integers(0, 256, 6)
        try:
            branding.open_logo(damaged.tobytes())
        except errors.InvalidField:
            refused += 1
    assert 200 < refused < 1000


@pytest.mark.parametrize(("side", "fits"), [((4000, 4000), True), ((4000, 4001), False), ((16_000_000, 1), True)])
def test_limit_is_sixteen_megapixels(side, fits):
    """The area counts, read from the header alone."""
    body = png(*side, chunk(b"IDAT", b""), END)
    if fits:
        with untrusted_image.open_untrusted(body, "image") as image:
            assert image.size == side
    else:
        with pytest.raises(errors.InvalidField, match="Invalid image"), untrusted_image.open_untrusted(body, "image"):
            pass
