"""Picture of a scene at one of the seven sizes. Every size is a window onto the same scene.

Positions without a word are fixed: the figure in the middle, the first thing to its right, one backdrop for a place in a style.
A small model that must guess a position draws an eye in each of two; with fixed ones it draws well after hours on a CPU.
"""

import cv2
import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from starter.draw import figure, head, places, things
from starter.draw.light import Light, grade, light_of
from starter.draw.pen import Colour, Pen, mix
from starter.scene import STYLES, Scene

FEET, UNIT = 322.0, 640 / figure.HEADS
"""Y of the feet and height of the head in px of the scene, at full figure."""
PORTRAIT = 3.4
"""Enlargement of the figure in a portrait; its face lies at FACE_Y."""
FACE_Y = -70.0
HAT: Colour = (238, 212, 150)
_NAVY, _EARTH, _SAND, _TAN, _COAL = (48, 56, 84), (70, 62, 58), (214, 200, 176), (150, 84, 52), (36, 36, 44)
_OTHERS: dict[str, Colour] = {
    "red": _NAVY, "orange": _EARTH, "yellow": _NAVY, "green": _SAND, "blue": _SAND, "purple": _EARTH, "white": _NAVY,
    "black": _SAND,
}  # fmt: skip
"""Colour of the garment worn with an outfit, by the outfit's colour."""
_SHOES: dict[str, Colour] = {
    "red": _COAL, "orange": _COAL, "yellow": _TAN, "green": _TAN, "blue": _TAN, "purple": _COAL, "white": _TAN,
    "black": _COAL,
}  # fmt: skip

Box = tuple[float, float, float, float]
SPANS = {"tree": (140, 430), "lamp": (45, 395), "bench": (110, 110), "bicycle": (120, 160), "balloon": (60, 395),
         "umbrella": (160, 230)}  # fmt: skip
"""Half of the width, and the height, of things larger than a cat, px at scale 1."""


def centre(width: int, height: int) -> tuple[int, int]:
    """Returns the scene's zero in a picture: for all seven sizes on a corner of the denoiser's tokens of 32 × 32 px."""
    return width // 2, height // 2


def render(scene: Scene, width: int, height: int) -> NDArray[uint8]:
    """Draws a scene, (height, width, 3) uint8 sRGB, the same for the same scene."""
    spots = _spots(scene)
    light = light_of(scene.time, scene.style)
    pixels = np.empty((height, width, 3), uint8)
    x, y = centre(width, height)
    origin = (float(x), float(y))
    scenery = Pen(pixels, origin)
    layout = np.random.default_rng((len(scene.place), STYLES.index(scene.style)))
    places.draw(scenery, scene.place, light, layout)
    for thing, (px, py, scale, front) in spots.items():
        if not front:
            things.draw(_lit(scenery.at(px, py, scale), light), thing, lit=light.lamps)
    if scene.shot != "none":
        _figure(Pen(pixels, origin, tint=light.figure), scene, light)
    for thing, (px, py, scale, front) in spots.items():
        if front:
            things.draw(_lit(scenery.at(px, py, scale), light), thing, lit=light.lamps)
    grade(pixels, light, origin)
    return pixels


def boxes(scene: Scene) -> dict[str, Box]:
    """Returns the boxes of `face`, `head`, `figure` and each thing: left, top, right, bottom in px from the scene's zero."""
    found: dict[str, Box] = {}
    for thing, (x, y, scale, _) in _spots(scene).items():
        wide, high = SPANS.get(thing, (100, 170))
        found[thing] = (x - wide * scale, y - high * scale, x + wide * scale, y + 20)
    if scene.shot == "portrait":
        found |= {"figure": (-320, -330, 320, 400), "head": (-170, FACE_Y - 200, 170, FACE_Y + 170)}
        found["face"] = (-140, FACE_Y - 110, 140, FACE_Y + 150)
    elif scene.shot == "full":
        found["figure"] = (-150, FEET - 7.2 * UNIT, 150, FEET + 20)
        found["head"] = (-60, FEET - 7.2 * UNIT, 60, FEET - 5.8 * UNIT)
        found["face"] = (-40, FEET - 6.85 * UNIT, 40, FEET - 5.98 * UNIT)
    return found


def _spots(scene: Scene) -> dict[str, tuple[float, float, float, bool]]:
    """Returns by thing (x, y, scale, whether it is before the figure)."""
    spots: dict[str, tuple[float, float, float, bool]] = {}
    for thing, side in zip(scene.things, (1, -1), strict=False):
        if scene.shot == "portrait":
            spots[thing] = (side * 288, FEET - 10, 1.12, False)
            if thing in ("cat", "dog"):
                spots[thing] = (side * 240, 300, 1.5, True)
            elif thing == "umbrella":
                spots[thing] = (0, 20, 2.2, False)
        elif thing == "umbrella" and scene.shot == "full":
            spots[thing] = (0.86 * UNIT, FEET - 5.0 * UNIT, 1.05, False)
        elif thing == "tree":
            spots[thing] = (side * 288, FEET - 60, 1.15, False)
        elif thing == "umbrella":
            spots[thing] = (side * 224, FEET - 60, 1.1, False)
        else:
            spots[thing] = (side * 224, FEET - 10, 1.12, thing in ("cat", "dog"))
    return spots


def _lit(pen: Pen, light: Light) -> Pen:
    return Pen(pen.pixels, pen.origin, pen.scale, mix(light.scenery, light.figure, 0.7))


def _figure(pen: Pen, scene: Scene, light: Light) -> None:
    portrait = scene.shot == "portrait"
    scale = UNIT * (PORTRAIT if portrait else 1)
    feet = FACE_Y + 6.48 * UNIT * PORTRAIT if portrait else FEET
    if not portrait:
        _shadow(Pen(pen.pixels, pen.origin), light, feet)
    pose = "holding" if "umbrella" in scene.things else scene.pose
    look = figure.Look(
        body=figure.BODIES[scene.person],
        pose=figure.POSES[pose],
        skin=figure.SKINS[scene.skin],
        main=figure.COLOURS[scene.colour],
        other=_OTHERS[scene.colour],
        shoes=_SHOES[scene.colour],
    )
    face = head.Face(
        skin=look.skin,
        hair=head.HAIRS[scene.hair],
        cut=scene.cut,
        woman=scene.person == "woman",
        glasses=scene.glasses,
        hat=HAT if scene.hat else None,
        character=scene.character,
    )
    body = pen.at(0, feet, scale)
    above = body.at(0, -6.48)
    head.behind(above, face)
    figure.draw(body, scene.garment, look)
    head.draw(above, face)


def _shadow(pen: Pen, light: Light, feet: float) -> None:
    """Draws a soft pool under the feet, and in cinematic light a long shadow away from the sun."""
    ground = pen.pixels.copy()
    if light.cinematic and not light.lamps:
        away = -330 if light.sun_at[0] > 0 else 330
        pen.poly([(-40, feet + 10), (44, feet + 10), (away + 60, feet + 150), (away - 60, feet + 150)], (0, 0, 0))
    pen.ellipse((0, feet + 12), (96, 17), (0, 0, 0))
    share = 0.7 if light.cinematic else 0.78
    pen.pixels[:] = cv2.addWeighted(ground, share, pen.pixels, 1 - share, 0)
