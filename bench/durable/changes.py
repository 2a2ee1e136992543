"""Changes that marked pictures undergo on the way, in groups: compressed, resized, cut, mirrored, of another contrast."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from bench.durable.pictures import Pixels


@dataclass(frozen=True, kw_only=True)
class Change:
    """Change of a picture: each step that is not left out, in this order."""

    name: str
    keeps: float = 1.0
    """Part of the area that is left, of the same aspect, at a random place."""
    mirrored: bool = False
    enhance: type[ImageEnhance._Enhance] | None = None
    by: float = 1.0
    scale: float = 1.0
    file_format: str = "JPEG"
    quality: int = 75
    is_promised: bool = False
    """Whether it keeps 90 % of the area, a scale of 0.75 to 2 and JPEG's quality 75, as docs/credentials.md has it."""

    @property
    def is_deep(self) -> bool:
        """Returns whether only the deep search can read it."""
        return self.keeps < 1 and self.scale != 1

    def apply(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """Returns the picture as it arrives, (H, W, 3) uint8."""
        image = Image.fromarray(pixels)
        if self.keeps < 1:
            sides = [round(side * self.keeps**0.5) for side in image.size]
            left, top = (int(rng.integers(whole - part + 1)) for whole, part in zip(image.size, sides, strict=True))
            image = image.crop((left, top, left + sides[0], top + sides[1]))
        if self.mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.enhance:
            image = self.enhance(image).enhance(self.by)
        if self.scale != 1:
            size = round(image.width * self.scale), round(image.height * self.scale)
            shrinks = self.scale < 1
            image = image.resize(size, Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC)
        return _compressed(image, self.file_format, self.quality)


def _cut(keeps: float, scale: float = 1.0, *, is_promised: bool = False) -> Change:
    resized = f", × {scale:g}" if scale != 1 else ""
    return Change(name=f"cut by {1 - keeps:.0%}{resized}, JPEG 75", keeps=keeps, scale=scale, is_promised=is_promised)


def _resized(scale: float, quality: int = 75, *, is_promised: bool = False) -> Change:
    return Change(name=f"× {scale:g}, JPEG {quality}", scale=scale, quality=quality, is_promised=is_promised)


_ENHANCED: tuple[tuple[str, Callable[..., ImageEnhance._Enhance], float], ...] = (
    ("brightness", ImageEnhance.Brightness, 1.2),
    ("contrast", ImageEnhance.Contrast, 1.2),
    ("saturation", ImageEnhance.Color, 0.8),
)

CHANGES: tuple[Change, ...] = (
    Change(name="none", file_format="PNG", is_promised=True),
    *(Change(name=f"JPEG {quality}", quality=quality, is_promised=quality >= 75) for quality in (85, 75, 60, 50)),
    Change(name="WebP 75", file_format="WEBP"),
    Change(name="AVIF 60", file_format="AVIF", quality=60),
    *(_resized(scale, is_promised=scale >= 0.75) for scale in (0.5, 0.6, 0.75, 0.9, 1.25, 2.0)),
    _resized(0.5, 85),
    *(_cut(keeps, is_promised=keeps >= 0.9) for keeps in (0.98, 0.95, 0.9, 0.75, 0.5)),
    Change(name="mirrored, JPEG 75", mirrored=True),
    Change(name="cut by 10%, mirrored, JPEG 75", keeps=0.9, mirrored=True),
    *(Change(name=f"{name} × {by:g}, JPEG 85", enhance=how, by=by, quality=85) for name, how, by in _ENHANCED),
    *(_cut(0.9, scale, is_promised=scale >= 0.75) for scale in (0.5, 0.6, 0.75, 0.9, 1.25, 2.0)),
    _cut(0.75, 0.8),
)
"""Rows of the survival table."""


def _compressed(image: Image.Image, file_format: str, quality: int) -> Pixels:
    file = io.BytesIO()
    if file_format == "PNG":
        return np.asarray(image)
    image.save(file, file_format, quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))
