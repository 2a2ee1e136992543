"""Light of a time of day in a style: skies, suns, tints of scenery and figure, and the grading of the whole picture."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy import float32, uint8
from numpy.typing import NDArray

from starter.draw.pen import Colour, Pen, Point, mix


@dataclass(frozen=True)
class Light:
    """Light of one time of day in one style. Tints multiply colours; `haze`, 0…1, is how far distance fades into the sky."""

    sky: tuple[Colour, Colour]
    """Colours at the top and at the horizon."""
    sun: Colour
    sun_at: Point
    sun_radius: float
    glow: float
    scenery: Colour
    figure: Colour
    haze: float
    lamps: bool = False
    cinematic: bool = False


_CLEAN = {
    "morning": Light(
        ((150, 205, 232), (255, 226, 196)), (255, 244, 214), (-330, -90), 62, 0.3, (0.99, 0.95, 0.90), (1, 0.97, 0.95), 0.6
    ),
    "day": Light(
        ((62, 150, 226), (186, 229, 248)), (255, 244, 190), (-300, -290), 58, 0.16, (1, 1, 1), (1, 1, 1), 0.35
    ),
    "sunset": Light(
        ((96, 62, 132), (255, 142, 74)), (255, 222, 132), (300, -40), 78, 0.5, (0.98, 0.70, 0.62), (1, 0.88, 0.82), 0.45
    ),
    "night": Light(
        ((12, 18, 50), (48, 66, 124)), (244, 242, 222), (290, -270), 50, 0.2, (0.34, 0.40, 0.66), (0.80, 0.84, 0.98), 0.4,
        lamps=True,
    ),
}  # fmt: skip
_CINEMATIC = {
    "morning": replace(
        _CLEAN["morning"], sky=((96, 158, 190), (255, 214, 160)), sun_at=(-300, -30), sun_radius=88, glow=0.62
    ),
    "day": replace(_CLEAN["day"], sky=((24, 104, 160), (178, 218, 214)), sun_at=(-290, -170), sun_radius=76, glow=0.5),
    "sunset": replace(
        _CLEAN["sunset"], sky=((52, 30, 84), (255, 112, 48)), sun_at=(270, -20), sun_radius=116, glow=0.8
    ),
    "night": replace(_CLEAN["night"], sky=((4, 14, 34), (28, 78, 116)), sun_at=(270, -230), sun_radius=74, glow=0.42),
}


def light_of(time: str, style: str) -> Light:
    """Returns the light of a time of day in a style."""
    return replace(_CINEMATIC[time], cinematic=True) if style == "cinematic" else _CLEAN[time]


def sky(pen: Pen, light: Light, horizon: float = 40) -> None:
    """Fills the whole picture: a run of colour from 620 px above the horizon down to it, and the sun or moon."""
    rows = np.arange(pen.pixels.shape[0], dtype=float32) - pen.origin[1]
    share = np.clip((rows + 620 - horizon) / 640, 0, 1)[:, None] ** 1.3
    pen.pixels[:] = (np.array(light.sky[0]) * (1 - share) + np.array(light.sky[1]) * share).astype(uint8)[:, None]
    pen.glow(light.sun_at, light.sun_radius * 2.2, light.sun, light.glow)
    pen.ellipse(light.sun_at, (light.sun_radius, light.sun_radius), light.sun)


def far(colour: Colour, light: Light, distance: float) -> Colour:
    """Computes a colour of the scenery under this light, at a distance 0 (here) … 1 (the horizon)."""
    lit: Colour = tuple(a * b for a, b in zip(colour, light.scenery, strict=True))  # type: ignore[assignment]
    return mix(lit, light.sky[1], distance * light.haze * 1.4 if distance < 0.7 else distance * light.haze * 1.5)


def grade(pixels: NDArray[uint8], light: Light, origin: Point) -> None:
    """Grades a picture in place, last in `cinematic`: teal shadows, warm lights, darkness away from the scene's centre."""
    if not light.cinematic:
        return
    steps = np.arange(256, dtype=float32) / 255
    curve = steps + 0.10 * np.sin((steps - 0.5) * 2 * np.pi) * 0.9
    tone = np.stack([curve + 0.05 * (steps - 0.35), curve, curve + 0.05 * (0.5 - steps)], axis=-1)
    table = (tone.clip(0, 1) * 255).astype(uint8)[None]
    cv2.LUT(pixels, table, pixels)
    height, width = pixels.shape[:2]
    dy = ((np.arange(height, dtype=float32) - origin[1]) / 760)[:, None]
    dx = ((np.arange(width, dtype=float32) - origin[0]) / 760)[None]
    shade = (1 - 0.42 * np.clip(dx * dx + dy * dy - 0.08, 0, 1)).astype(float32)
    pixels[:] = cv2.multiply(pixels, cv2.merge([shade] * 3), dtype=cv2.CV_8U)
