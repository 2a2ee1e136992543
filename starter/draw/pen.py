"""Pen over an array of pixels: smooth-edged shapes in coordinates of the scene. Holds no idea of what is drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy import float32, uint8
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Colour in sRGB, 0…255."""
Point = tuple[float, float]

_SHIFT = 4
"""Fractional bits of cv2's coordinates."""


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Mixes two colours; `share` 0: the first, 1: the second."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def times(colour: Colour, tint: Colour) -> Colour:
    """Tints a colour; `tint` is in 0…1.2 per channel."""
    return tuple(min(255.0, a * b) for a, b in zip(colour, tint, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class Pen:
    """Pen that draws into `pixels`, (H, W, 3) uint8 RGB, in place.

    A point (x, y) lies at `origin + (x, y) * scale` pixels.
    """

    pixels: NDArray[uint8]
    origin: Point
    scale: float = 1.0
    tint: Colour = (1.0, 1.0, 1.0)
    only: Colour | None = None
    """Colour in place of all others, for silhouettes and shadows."""

    def at(self, x: float, y: float, scale: float = 1.0) -> "Pen":
        """Returns the pen with its zero at (x, y) and its unit multiplied by `scale`."""
        origin = (self.origin[0] + x * self.scale, self.origin[1] + y * self.scale)
        return replace(self, origin=origin, scale=self.scale * scale)

    def poly(self, points: Iterable[Point], colour: Colour, below: Colour | None = None) -> None:
        """Draws a filled polygon; with `below` its colour runs from `colour` at the top to `below` at the bottom."""
        places = self._fixed(points)
        if below is None or self.only:
            cv2.fillPoly(self.pixels, [places], self._ink(colour), cv2.LINE_AA, _SHIFT)
            return
        height = self.pixels.shape[0]
        top, bottom = places[:, 1].min() / 16, places[:, 1].max() / 16
        first, last = max(0, int(top)), min(height, int(bottom) + 2)
        if last <= first:
            return
        mask = np.zeros(self.pixels.shape[:2], uint8)
        cv2.fillPoly(mask, [places], 255, cv2.LINE_AA, _SHIFT)
        share = np.clip((np.arange(first, last) - top) / max(1.0, bottom - top), 0, 1).astype(float32)[:, None]
        rows = np.array(self._ink(colour)) * (1 - share) + np.array(self._ink(below)) * share
        fill = np.broadcast_to(rows[:, None].astype(uint8), self.pixels[first:last].shape)
        weight = mask[first:last].astype(float32) / 255
        self.pixels[first:last] = cv2.blendLinear(
            np.ascontiguousarray(fill), self.pixels[first:last], weight, 1 - weight
        )

    def ellipse(self, centre: Point, radii: Point, colour: Colour, *, angle: float = 0, arc: Point = (0, 360)) -> None:
        """Draws a filled ellipse, or with `arc` the part between two angles in degrees, clockwise from the right."""
        steps = np.radians(np.linspace(*arc, max(12, min(64, int(max(radii) * self.scale / 2)))))
        turn = np.radians(angle)
        x, y = radii[0] * np.cos(steps), radii[1] * np.sin(steps)
        px = centre[0] + x * np.cos(turn) - y * np.sin(turn)
        py = centre[1] + x * np.sin(turn) + y * np.cos(turn)
        self.poly(zip(px, py, strict=True), colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draws a line with round ends through the points."""
        places = self._fixed(points)
        thickness = max(1, round(width * self.scale))
        cv2.polylines(
            self.pixels,
            [places.reshape(-1, 1, 2)],
            isClosed=False,
            color=self._ink(colour),
            thickness=thickness,
            lineType=cv2.LINE_AA,
            shift=_SHIFT,
        )

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Draws a filled rectangle."""
        self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def glow(self, centre: Point, radius: float, colour: Colour, strength: float) -> None:
        """Adds soft light around a point; at `radius` it has fallen to a third."""
        height, width = self.pixels.shape[:2]
        (x, y), small = self._place(centre), 8
        dy = (np.arange(0, height, small, dtype=float32) + small / 2 - y)[:, None]
        dx = (np.arange(0, width, small, dtype=float32) + small / 2 - x)[None]
        light = np.exp(-np.sqrt(dx * dx + dy * dy) / (radius * self.scale)) * strength
        layer = (light[..., None] * np.array(colour, float32)).clip(0, 255).astype(uint8)
        cv2.add(self.pixels, cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR), self.pixels)

    def _place(self, point: Point) -> Point:
        return self.origin[0] + point[0] * self.scale, self.origin[1] + point[1] * self.scale

    def _fixed(self, points: Iterable[Point]) -> NDArray[np.int32]:
        return np.round(np.array([self._place(point) for point in points]) * 2**_SHIFT).astype(np.int32)

    def _ink(self, colour: Colour) -> Colour:
        return self.only or times(colour, self.tint)
