"""Pictures to mark, and to leave unmarked, of five classes: each is drawn anew from its number, always the same."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bench.durable.photographs import compose, photographs
from imgen.domain.catalog import SIZES, Size

STARTER = Path("out/bench-durable/starter")
"""Folder of pictures that the starter model drew, of whatever prompts; none are needed."""

Pixels = NDArray[np.uint8]
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Picture without a watermark."""

    name: str
    kind: str
    """Class by which results are counted."""
    pixels: Pixels
    """(H, W, 3) uint8, sRGB."""
    sources: tuple[str, ...] = ()
    """Photographs that it shows."""

    @property
    def is_grey(self) -> bool:
        """Returns whether the picture has no colour."""
        return self.kind.startswith("grey")


def drawing(number: int) -> Picture:
    """Draws a scene as those that the starter model is trained on."""
    from starter.draw.picture import render
    from starter.scene import draw_lots

    rng = np.random.default_rng((1, number))
    return Picture(name=f"drawing-{number}", kind="drawing", pixels=render(draw_lots(rng), *_size(number)))


def photograph(number: int, kind: str = "photograph") -> Picture:
    """Composes colour photographs, or grey ones."""
    grey = kind != "photograph"
    chosen = tuple(one for one in photographs() if one.is_grey == grey)
    pixels, sources = compose(np.random.default_rng((2, grey, number)), chosen, _size(number))
    return Picture(name=f"{kind}-{number}", kind=kind, pixels=pixels, sources=sources)


def grey_photograph(number: int) -> Picture:
    """Composes grey photographs."""
    return photograph(number, "grey photograph")


def grey_copy(number: int) -> Picture:
    """Takes the colour out of a picture of another class."""
    makers = [drawing, synthetic, *([photograph] * 2 if has_photographs() else [])]
    original = makers[number % len(makers)](10_000 + number)
    luma = np.rint(original.pixels @ _LUMA).astype(np.uint8)
    pixels = np.repeat(luma[..., None], 3, axis=2)
    return Picture(name=f"grey-{original.name}", kind="grey copy", pixels=pixels, sources=original.sources)


def synthetic(number: int) -> Picture:
    """Draws clouds of many grains, a ramp, discs, stripes or fine noise."""
    rng = np.random.default_rng((3, number))
    draw = (_clouds, _discs, _ramp, _clouds, _stripes, _noise)[number % 6]
    return Picture(name=f"synthetic-{number}", kind="synthetic", pixels=draw(rng, _size(number)))


def starter(number: int) -> Picture:
    """Opens a picture that the starter model drew."""
    path = starter_files()[number]
    return Picture(name=f"starter-{path.stem}", kind="starter", pixels=np.asarray(Image.open(path).convert("RGB")))


@cache
def starter_files() -> tuple[Path, ...]:
    """Lists the starter model's pictures."""
    return tuple(sorted(STARTER.glob("*.png")))


@cache
def has_photographs() -> bool:
    """Returns whether there are colour photographs."""
    return not all(one.is_grey for one in photographs())


Maker = Callable[[int], Picture]


def makers(
    *, drawings: int, colour: int, synthetics: int, copies: int, grey: int, with_starter: bool = True
) -> list[tuple[Maker, int]]:
    """Lists the makers of so many pictures of each class, each with a number, mixed evenly; all of the starter model's."""
    counts: dict[Maker, int] = {
        starter: len(starter_files()) if with_starter else 0,
        drawing: drawings,
        photograph: colour if has_photographs() else 0,
        synthetic: synthetics,
        grey_copy: copies,
        grey_photograph: grey if any(one.is_grey for one in photographs()) else 0,
    }
    placed = [((number + 0.5) / count, maker, number) for maker, count in counts.items() for number in range(count)]
    return [(maker, number) for _, maker, number in sorted(placed, key=lambda one: one[0])]


def _size(number: int) -> Size:
    return SIZES[number % len(SIZES)]


def _clouds(rng: np.random.Generator, size: Size) -> Pixels:
    width, height = size
    layers = np.zeros((height, width, 3), np.float32)
    for grain in (4, 8, 16, 32, 64, 128, 256):
        coarse = rng.normal(0, grain**0.7, (3, height // grain + 2, width // grain + 2)).astype(np.float32)
        for channel, plane in enumerate(coarse):
            layers[..., channel] += np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC))
    layers = layers.mean(2, keepdims=True) * 0.7 + layers * 0.5
    return _levels(128 + layers * (rng.uniform(25, 60) / layers.std()) + rng.normal(0, 3, layers.shape))


def _discs(rng: np.random.Generator, size: Size) -> Pixels:
    image = Image.new("RGB", size, tuple(int(level) for level in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, radius = (int(rng.integers(most)) for most in (*size, 200))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(map(int, rng.integers(0, 256, 3))))
    return np.asarray(image)


def _ramp(rng: np.random.Generator, size: Size) -> Pixels:
    ends = rng.uniform(0, 255, (2, 2, 3))
    x, y = np.linspace(0, 1, size[0])[None, :, None], np.linspace(0, 1, size[1])[:, None, None]
    return _levels((ends[0, 0] * (1 - x) + ends[0, 1] * x) * (1 - y) + (ends[1, 0] * (1 - x) + ends[1, 1] * x) * y)


def _stripes(rng: np.random.Generator, size: Size) -> Pixels:
    x, y = np.arange(size[0])[None, :], np.arange(size[1])[:, None]
    waves = [np.sin((x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) * rng.uniform(0.02, 0.8)) for _ in range(3)]
    return _levels(128 + 90 * np.stack(waves, -1))


def _noise(rng: np.random.Generator, size: Size) -> Pixels:
    return _levels(rng.normal(128, rng.uniform(5, 50), (size[1], size[0], 3)))


def _levels(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
