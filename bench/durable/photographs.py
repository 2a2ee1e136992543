"""Photographs to measure with: the files of a folder, and pictures of packages that are installed for the tests.

Files come from wherever their user has them; docs/performance.md names those of the figures there. Each picture is composed of
windows of photographs in native pixels or scaled down, because few of them have a megapixel, and an enlarged one is smoother than
any camera's.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.catalog import Size

FOLDER = Path("out/bench-durable/photographs")
_ARRAYS = ("aero", "ascent", "camera")
"""Grey photographs in the `pywt` package, which invisible-watermark needs: 512×512 each."""
_GREY_LEVELS = 8
"""Distance of a pixel's channels up to which a photograph counts as grey, for 999 pixels of 1,000."""


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """Photograph of a source."""

    name: str
    image: Image.Image
    is_grey: bool


@cache
def photographs() -> tuple[Photograph, ...]:
    """Loads all photographs, by name: the files of the folder, and those of installed packages."""
    files = [path for path in FOLDER.glob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".tif", ".tiff"}]
    images = {path.stem: Image.open(path).convert("RGB") for path in files}
    package = importlib.util.find_spec("pywt")
    if package and package.origin:
        for name in _ARRAYS:
            with np.load(Path(package.origin).parent / "data" / f"{name}.npz") as arrays:
                images[f"pywt-{name}"] = Image.fromarray(arrays["data"].astype(np.uint8)).convert("RGB")
    return tuple(Photograph(name=name, image=image, is_grey=_is_grey(image)) for name, image in sorted(images.items()))


def compose(
    rng: np.random.Generator, chosen: tuple[Photograph, ...], size: Size
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Composes windows of photographs; returns the picture (H, W, 3) and the names of its sources.

    Args:
        rng: source of randomness, for the windows, their scales of 0.6 to 1 and which photographs.
        chosen: photographs to choose from.
        size: width and height.
    """
    canvas = np.empty((size[1], size[0], 3), np.uint8)
    names: list[str] = []
    parts = [(0, 0, *size)]
    while parts:
        left, top, width, height = parts.pop()
        photograph = chosen[int(rng.integers(len(chosen)))]
        room = min(photograph.image.width / width, photograph.image.height / height)
        if room < 1:  # in two, across the longer side, at a place of the middle third
            longer = int(max(width, height) * rng.uniform(1 / 3, 2 / 3))
            across, down = (longer, height) if width >= height else (width, longer)
            parts.append((left, top, across, down))
            parts.append((left + across, top, width - across, height) if width >= height else
                         (left, top + down, width, height - down))  # fmt: skip
            continue
        canvas[top : top + height, left : left + width] = _window(rng, photograph.image, (width, height), room)
        names.append(photograph.name)
    return canvas, tuple(sorted(set(names)))


def _window(rng: np.random.Generator, image: Image.Image, size: Size, room: float) -> NDArray[np.uint8]:
    shrink = rng.uniform(1.0, min(room, 1 / 0.6)) if rng.random() < 0.5 else 1.0
    across, down = size[0] * shrink, size[1] * shrink
    if shrink == 1:
        left, top = (int(rng.integers(whole - part + 1)) for whole, part in zip(image.size, size, strict=True))
        return np.asarray(image.crop((left, top, left + size[0], top + size[1])))
    left, top = rng.uniform(0, image.width - across), rng.uniform(0, image.height - down)
    box = (left, top, left + across, top + down)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image).astype(np.int16)
    return bool(np.quantile(np.ptp(pixels, axis=2), 0.999) <= _GREY_LEVELS)
