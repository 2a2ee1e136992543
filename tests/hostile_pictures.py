"""Sources and masks that must be refused, and unusual ones that must be taken with the colours that they mean."""

import gzip
import struct
import zlib

import numpy as np
from bombs import END, chunk, many_scans, pixels, png, saved
from color_profiles import linear_grey, odd_press, wide_rgb
from PIL import Image, ImageCms

RED, BLUE, WHITE, BLACK = (200, 30, 30), (30, 30, 200), (255, 255, 255), (0, 0, 0)
SMALLER = ("flat png of 4100²", "JPEG of 25 megapixels", "WEBP of 25 megapixels", "PNG of 25 megapixels")
"""Bombs for a logo that are small enough for a source."""


def halves(left, right, mode="RGB", size=(96, 64)):
    """A picture of two colours, side by side."""
    if mode == "I;16":  # which Pillow does not paint
        return Image.fromarray(np.repeat(np.uint16([[left, right]]), size[0] // 2, axis=1).repeat(size[1], axis=0))
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def deep_halves(kind, left, right, *chunks):
    """A PNG of 16 bits in two colours, side by side."""
    row = b"\0" + struct.pack(f">{len(left)}H", *left) * 48 + struct.pack(f">{len(right)}H", *right) * 48
    return png(96, 64, *chunks, chunk(b"IDAT", zlib.compress(row * 64)), END, depth=16, kind=kind)


def exif_with(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def resized_avif(body, side):
    """The same AVIF, saying in its property `ispe` that it is a square of that side."""
    at = body.index(b"ispe") + 8
    return body[:at] + struct.pack(">II", side, side) + body[at + 8 :]


def make_refused(bombs):
    """Name → file: the bombs of logos that are bombs for sources too, and those of shape and size."""
    plain = halves(RED, BLUE)
    flat_avif = saved(Image.new("RGB", (5_000, 5_000)), "AVIF", speed=10)
    good = {name: saved(plain, name) for name in ("PNG", "JPEG", "WEBP")}
    moving = {name: saved(plain, name, save_all=True, append_images=[halves(BLUE, RED)]) for name in ("GIF", "TIFF")}
    cut = {
        f"{name} cut at {share} %": body[: len(body) * share // 100]
        for name, body in good.items()
        for share in (1, 10, 50, 90)
    }
    shapes = ((1, 1), (31, 31), (31, 1000), (1000, 31), (20_000, 10), (10, 20_000), (33, 529), (40_000, 801))
    return {
        **{name: body for name, body in bombs[0].items() if name not in SMALLER},
        **cut,
        **{f"{name} that moves": body for name, body in moving.items()},
        **{f"JPEG of one pixel, {name}": saved(Image.new(name, (1, 1)), "JPEG") for name in ("L", "RGB", "CMYK")},
        **{f"WebP of one pixel, {name}": saved(Image.new(name, (1, 1)), "WEBP") for name in ("RGB", "RGBA")},
        **{f"PNG of {w} × {h}": png(w, h, pixels((w // 8 + 2) * h), END, depth=1, kind=0) for w, h in shapes},
        "PNG of 33 megapixels": png(5_500, 6_000, pixels(18_006_000 * 3 - 1), END),
        "PNG of 33 megapixels in grey": png(5_500, 6_000, pixels(5_501 * 6_000), END, kind=0),
        "PNG of 64 megapixels in one bit": png(8_000, 8_000, pixels(1_001 * 8_000), END, depth=1, kind=0),
        "JPEG with 40 scans of 8 megapixels": many_scans(4_000, 2_000, 40),
        "PNG with two headers": png(40, 40, good["PNG"][8:33], pixels(41 * 40 * 3), END),
        "PNG with pixels of another file": png(96, 64, chunk(b"IDAT", good["JPEG"]), END),
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(300),
        "AVIF of 25 megapixels": flat_avif,
        "AVIF of 25 megapixels, cut": flat_avif[: len(flat_avif) // 2],
        "AVIF that says 65,535²": resized_avif(flat_avif, 65_535),
        "AVIF that says 2³¹ pixels": resized_avif(flat_avif, 1 << 31),
        "PDF with a PNG in it": b"%PDF-1.7\n" + good["PNG"],
        "ZIP before a PNG": b"PK\x03\x04" + bytes(26) + good["PNG"],
        "script that is a GIF as well": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)//",
        "JPEG behind a page": b"<html><!--" + good["JPEG"] + b"--></html>",
        "PNG in gzip": gzip.compress(good["PNG"], mtime=0),
        "two signatures": good["PNG"][:8] + good["JPEG"],
        "AVIF that moves": saved(plain, "AVIF", save_all=True, append_images=[halves(BLUE, RED)]),
        **{
            f"JPEG of {name}": good["JPEG"].replace(b"\xff\xc0\0\x11\x08", start)
            for name, start in (("12 bits", b"\xff\xc1\0\x11\x0c"), ("differences", b"\xff\xc3\0\x11\x08"), ("layers", b"\xff\xc5\0\x11\x08"))
        },
        "PNG whose palette has 257 colours": png(40, 40, chunk(b"PLTE", bytes(771)), pixels(41 * 40), END, kind=3),
        "PNG with a transparent colour cut off": png(40, 40, chunk(b"tRNS", b"\0"), pixels(121 * 40), END),
        "PNG of an unknown filter": png(40, 40, pixels(121 * 40, 9), END),
        "PNG with a text that unfolds to 30 MB": good["PNG"][:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(30_000_000))) + good["PNG"][33:],
        "HTML after a JPEG's signature": b"\xff\xd8\xff<html><script>alert(1)</script></html>",
        "SVG after a declaration": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        "PHP in a PNG's place": b"\x89PNG\r\n\x1a\n<?php system($_GET['c']); ?>",
        "zeros": bytes(100_000),
        "random bytes": np.random.default_rng(0).bytes(100_000),
        "base64 instead of bytes": b"iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQAAAABbAUdZAAAAEUlEQVR42mP8z8DAwMQwaAkAswEBP25AfJYA",
    }  # fmt: skip


def make_unusual(bombs):
    """Name → (file, colour of the left half, colour of the right half, levels that they may be off); None: any colour."""
    clear = halves((*RED, 0), (*BLUE, 255), "RGBA")
    palette = halves(RED, BLUE).quantize(2)
    red = palette.getpixel((4, 4))
    jpeg = saved(halves(RED, BLUE), "JPEG", quality=98, subsampling=0)
    inks = halves((0, 255, 255, 0), (0, 0, 0, 0), "CMYK")
    press = halves((255, 0, 0, 0), (0, 0, 0, 0), "CMYK")
    frames = [halves(RED, BLUE), halves(BLUE, RED)]
    links = [wide_rgb()[:12] + kind + wide_rgb()[16:] for kind in (b"link", b"abst", b"nmcl")]
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    deep = deep_halves(2, (0xC8FF, 0x1E00, 0x1E80), (0x1E00, 0x1EFF, 0xC801))
    png_of = saved(halves(RED, BLUE), "PNG")
    broken_exif = b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 40
    pair = (RED, BLUE)
    return {
        "PNG": (png_of, *pair, 0),
        "PNG of 16 bits": (deep, *pair, 0),
        "PNG of 16 bits in grey": (saved(halves(0x2800, 0xC8FF, "I;16"), "PNG"), (40,) * 3, (200,) * 3, 0),
        "PNG of 16 bits with alpha": (deep_halves(6, (0xC8FF, 0x1EFF, 0x1EFF, 0), (0x1EFF, 0x1EFF, 0xC8FF, 0xFFFF)), WHITE, BLUE, 0),
        "PNG of 16 bits in grey with alpha": (deep_halves(4, (0x28FF, 0), (0xC8FF, 0xFFFF)), WHITE, (200,) * 3, 0),
        "PNG of 16 bits with a transparent grey": (
            deep_halves(0, (0x28FF,), (0xC8FF,), chunk(b"tRNS", b"\x28\xff")), WHITE, (200,) * 3, 0,
        ),
        "PNG of 16 bits whose transparent grey is another": (
            deep_halves(0, (0x28FF,), (0xC8FF,), chunk(b"tRNS", b"\x28\0")), (40,) * 3, (200,) * 3, 0,
        ),
        "PNG that moves, with frames beyond its sides": (
            png_of[:33] + chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0))
            + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9999, 9999, 0, 0, 1, 100, 0, 0)) + png_of[33:], *pair, 0,
        ),
        **{
            f"PNG with a profile of the class {profile[12:16].decode()}": (saved(halves(RED, BLUE), "PNG", icc_profile=profile), *pair, 0)
            for profile in links
        },
        "PNG with a profile of Lab": (saved(halves(RED, BLUE), "PNG", icc_profile=lab), *pair, 0),
        "PNG of one bit": (saved(halves(0, 1, "1"), "PNG"), BLACK, WHITE, 0),
        "PNG of grey and alpha": (saved(halves((40, 0), (200, 255), "LA"), "PNG"), WHITE, (200,) * 3, 0),
        "PNG with alpha": (saved(clear, "PNG"), WHITE, BLUE, 0),
        "PNG of half alpha": (saved(halves((0, 0, 0, 128), BLUE, "RGBA"), "PNG"), (127,) * 3, BLUE, 0),
        "PNG of a palette": (saved(palette, "PNG"), *pair, 0),
        "PNG of a palette with alpha": (
            saved(palette, "PNG", transparency=bytes((0, 255) if red == 0 else (255, 0))), WHITE, BLUE, 0,
        ),
        "PNG with a transparent colour": (saved(halves(RED, BLUE), "PNG", transparency=RED), WHITE, BLUE, 0),
        "PNG interlaced": (png(64, 64, pixels(64 * 64 + 120), END, kind=0, interlace=1), BLACK, BLACK, 0),
        "PNG that moves": (saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50), *pair, 0),
        "PNG with a broken profile": (saved(halves(RED, BLUE), "PNG", icc_profile=b"broken"), *pair, 0),
        "PNG with a press's profile": (saved(halves(RED, BLUE), "PNG", icc_profile=odd_press()), *pair, 0),
        "PNG with a profile that unfolds to 30 MB": (
            png_of[:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(30_000_000))) + png_of[33:], *pair, 0,
        ),
        "PNG of a wide space": (saved(halves(RED, WHITE), "PNG", icc_profile=wide_rgb()), (220, 0, 0), WHITE, 2),
        "PNG of linear grey": (saved(halves(64, 255, "L"), "PNG", icc_profile=linear_grey()), (137,) * 3, WHITE, 1),
        "PNG upside down": (saved(halves(BLUE, RED), "PNG", exif=exif_with(3)), *pair, 0),
        "PNG with broken EXIF": (png_of[:33] + chunk(b"eXIf", broken_exif) + png_of[33:], *pair, 0),
        "JPEG": (jpeg, *pair, 6),
        "JPEG progressive": (saved(halves(RED, BLUE), "JPEG", quality=98, progressive=True), *pair, 12),
        "JPEG of several pictures": (
            saved(halves(RED, BLUE), "MPO", save_all=True, append_images=[halves(BLUE, RED)], quality=98), *pair, 12,
        ),
        "JPEG with EXIF beyond its end": (
            jpeg[:2] + segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xf0" + bytes(10)) + jpeg[2:], *pair, 6,
        ),
        "JPEG in grey": (saved(halves(40, 200, "L"), "JPEG", quality=98), (40,) * 3, (200,) * 3, 6),
        "JPEG in CMYK": (saved(inks, "JPEG", quality=98), (255, 0, 0), WHITE, 12),
        "JPEG of a press": (saved(press, "JPEG", quality=98, icc_profile=odd_press()), (255, 51, 46), WHITE, 16),
        "JPEG mirrored by EXIF": (
            saved(halves(BLUE, RED), "JPEG", quality=98, subsampling=0, exif=exif_with(2)), *pair, 6,
        ),
        "JPEG with broken EXIF": (jpeg[:2] + segment(0xE1, broken_exif) + jpeg[2:], *pair, 6),
        "JPEG with a short Adobe segment": (jpeg[:2] + segment(0xEE, b"Adobe\0\x64") + jpeg[2:], *pair, 6),
        "JPEG with rubbish behind it": (jpeg + b"<?php ?>" * 100, *pair, 6),
        "WebP": (saved(halves(RED, BLUE), "WEBP", quality=98), *pair, 16),
        "WebP with alpha": (saved(clear, "WEBP", lossless=True), WHITE, BLUE, 0),
        "WebP that moves": (
            saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), *pair, 0,
        ),
        "WebP with a profile": (
            saved(halves(RED, WHITE), "WEBP", lossless=True, icc_profile=wide_rgb()), (220, 0, 0), WHITE, 2,
        ),
        "strip of 16 to 1": (saved(halves(RED, BLUE, size=(1024, 64)), "PNG"), *pair, 0),
        "least size": (saved(halves(RED, BLUE, size=(32, 32)), "PNG"), *pair, 0),
        "PNG of 32 megapixels": (png(8_000, 4_000, pixels(8_001 * 4_000), END, kind=0), BLACK, BLACK, 0),
        **{name: (bombs[0][name], BLACK, BLACK, 2) for name in SMALLER[1:]},
        **{name: (body, None, None, 0) for name, body in bombs[1].items() if "one pixel" not in name},
    }  # fmt: skip
