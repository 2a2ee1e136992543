"""Unmarked pictures: crops of all classes, changed as pictures on the way are, in which no search may find an id.

Beside the count of wrong ids it tells how near the nearest one came: the smallest chance of any word, by search, and the limit
under which the search would have taken it.
"""

import io
import time
from typing import Any

import numpy as np
from PIL import Image

from bench.durable.pictures import Maker, Picture, Pixels, makers
from bench.durable.results import FOLDER, Results, digest_of_reader
from imgen.provenance.watermark_reading.acceptance import collect_chances
from imgen.provenance.watermark_reading.reading import Reading, read

CROPS = 10
"""Crops of a picture that are one result."""
_LEAST_PIXELS = 256 * 256
_ENDLESS_S = 1e6
"""No budget: a slow moment of the machine must not leave a search out."""


def run(
    *,
    pictures: int,
    rounds: int,
    crops: int = CROPS,
    is_deep: bool = False,
    until: float,
    results: Results,
    with_starter: bool = True,
) -> None:
    """Reads crops of pictures until a time, each picture's next crops in the next round; what was read before is kept.

    Args:
        pictures: number of pictures, a seventh of it grey.
        rounds: times that each picture is taken.
        crops: of each picture in each round.
        is_deep: whether the deep search is on.
        until: `time.monotonic` after which no picture is begun.
        results: read before, and added to.
        with_starter: whether the starter model's pictures are taken as well.
    """
    reading = Reading(is_deep=is_deep, budget_s=_ENDLESS_S)
    reader = digest_of_reader(is_deep=is_deep)
    chosen = _chosen(pictures, with_starter=with_starter)
    for turn in range(rounds):
        for maker, number in chosen:
            key = f"{reader}/{maker.__name__}-{number}/{turn}"
            if key in results.rows:
                continue
            if time.monotonic() >= until:
                return
            results.add(key, **_read_crops(maker(number), turn, crops, reading))


def rows(results: Results, *, is_deep: bool) -> list[dict[str, Any]]:
    """Returns the results of the reader as it is now."""
    reader = digest_of_reader(is_deep=is_deep)
    return [row for key, row in results.rows.items() if key.startswith(f"{reader}/")]


def opened(*, is_deep: bool) -> Results:
    """Opens the file of results."""
    return Results(FOLDER / ("deep.jsonl" if is_deep else "unmarked.jsonl"))


def _chosen(pictures: int, *, with_starter: bool) -> list[tuple[Maker, int]]:
    seventh = max(1, pictures // 7)
    grey = max(1, seventh // 2)
    drawings = max(1, pictures - 2 * seventh - 2 * grey)
    return makers(
        drawings=drawings, colour=seventh, synthetics=seventh, copies=grey, grey=grey, with_starter=with_starter
    )


def _read_crops(picture: Picture, turn: int, crops: int, reading: Reading) -> dict[str, Any]:
    rng = np.random.default_rng((4, turn, *picture.name.encode()))
    smallest: dict[str, float] = {}
    found: list[dict[str, Any]] = []
    pixels_read = 0
    for _ in range(crops):
        pixels, change = _changed(rng, picture.pixels)
        with collect_chances() as chances:
            watermark = read(pixels, reading)
        for search, chance in chances:
            smallest[search.name] = min(smallest.get(search.name, 0.0), round(chance, 2))
        if watermark.id is not None:
            found.append({"change": change, "id": watermark.id, "search": watermark.search})
        pixels_read += pixels.shape[0] * pixels.shape[1]
    return {
        "picture": picture.name,
        "kind": picture.kind,
        "sources": picture.sources,
        "crops": crops,
        "found": found,
        "smallest": smallest,
        "pixels": pixels_read,
    }


def _changed(rng: np.random.Generator, pixels: Pixels) -> tuple[Pixels, str]:
    """Cuts a part of any place and shape; resizes every second one; compresses most, as JPEG or WebP of a quality of 50 to 95."""
    height, width = pixels.shape[:2]
    sides = [int(np.exp(rng.uniform(np.log(256), np.log(side + 1)))) for side in (width, height)]
    left, top = (int(rng.integers(whole - side + 1)) for whole, side in zip((width, height), sides, strict=True))
    image = Image.fromarray(pixels).crop((left, top, left + sides[0], top + sides[1]))
    change = f"{sides[0]}x{sides[1]}+{left}+{top}"
    if rng.random() < 0.5:
        least = max(0.5, (_LEAST_PIXELS / (sides[0] * sides[1])) ** 0.5 * 1.01)
        scale = float(np.exp(rng.uniform(np.log(least), np.log(max(least, 1.3)))))
        image = image.resize(tuple(round(side * scale) for side in sides), Image.Resampling.LANCZOS)
        change += f" x{scale:.3f}"
    file_format, quality = str(rng.choice(("JPEG", "JPEG", "WEBP", "PNG"))), int(rng.integers(50, 96))
    if file_format != "PNG":
        file = io.BytesIO()
        image.save(file, file_format, quality=quality)
        image = Image.open(file).convert("RGB")
        change += f" {file_format} {quality}"
    return np.asarray(image), change
