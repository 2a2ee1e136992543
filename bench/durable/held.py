"""Files of low quality: in how many the mark is read before and after the finish half holds it.

`python -m bench.durable.held [PICTURES]` prints a row for each class of pictures and each format: the number of ids read
before and after, and the lowest PSNR.
"""

import sys
from functools import partial

import numpy as np

from bench.durable.pictures import Maker, Pixels, drawing, grey_copy, photograph
from imgen.provenance import encoding, held_watermark, watermark

ID = "0123456789ab"
PICTURES = 12
FIRST = 600
"""Number of the first picture: others than those by which the mark was made."""

FORMATS = (
    ("jpeg", 75),
    ("jpeg", 50),
    ("jpeg", 40),
    ("jpeg", 30),
    ("webp", 40),
    ("webp", 20),
    ("avif", 30),
    ("avif", 20),
)
CLASSES: dict[str, Maker] = {"drawings": drawing, "photographs": photograph, "grey copies": grey_copy}


def measure(pixels: Pixels, file_format: str, quality: int) -> tuple[bool, bool, float]:
    """Returns whether the id is read from the file before and after, and the PSNR of the pixels in it."""
    encode = partial(encoding.encode, file_format=file_format, quality=quality)
    marked = watermark.embed(pixels, ID)
    file = encode(marked)
    if watermark.decode(encoding.decode(file)).id == ID:
        return True, True, _psnr(pixels, marked)
    held = held_watermark.hold(pixels, ID, file, encode)
    return False, held is not None, _psnr(pixels, marked if held is None else held.pixels)


def _psnr(before: Pixels, after: Pixels) -> float:
    difference = after.astype(np.float32) - before
    return float(10 * np.log10(255**2 / np.mean(difference * difference)))


def _table(count: int) -> None:
    for kind, make in CLASSES.items():
        drawn = [make(FIRST + number).pixels for number in range(count)]
        for file_format, quality in FORMATS:
            found = [measure(pixels, file_format, quality) for pixels in drawn]
            before, after, least = (
                sum(one[0] for one in found),
                sum(one[1] for one in found),
                min(one[2] for one in found),
            )
            print(f"{kind:<12} {file_format} {quality}: {before} → {after} of {count}, {least:.1f} dB", flush=True)


if __name__ == "__main__":
    _table(int(sys.argv[1]) if sys.argv[1:] else PICTURES)
