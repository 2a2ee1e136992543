"""Puts a scene together at one of the seven sizes. Every size is a window onto the same scene.

What matters for the eye (figure, face, things) moves in whole tokens of the denoiser only: the same eye always has the
same latents, which is what makes small faces learnable within hours on a CPU.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from starter.draw import figure, head, places, things
from starter.draw.light import Light, grade, light_of
from starter.draw.pen import Colour, Pen, mix
from starter.scene import Scene

GRID = 32
"""Pixels of one token of the denoiser: 16 a latent, 2 latents a token. Half of every size is a multiple of it."""
LAYOUTS = 8
"""Different backdrops of each place, mirrored ones not counted."""
FEET, UNIT = 322.0, 640 / figure.HEADS
"""The feet's y and the head's height in px of the scene, at full figure."""
PORTRAIT = 3.4
"""How much larger a portrait's figure is; its face lies at FACE_Y."""
FACE_Y = -70.0
HAT: Colour = (238, 212, 150)
OTHERS: tuple[Colour, ...] = ((48, 56, 84), (70, 62, 58), (214, 200, 176))
SHOES: tuple[Colour, ...] = ((60, 42, 38), (36, 36, 44), (150, 84, 52))


Box = tuple[float, float, float, float]
SPANS = {"tree": (140, 430), "lamp": (45, 395), "bench": (110, 110), "bicycle": (120, 160), "balloon": (60, 395),
         "umbrella": (160, 230)}  # fmt: skip
"""Half the width and the height of what is not as small as a cat, px at scale 1."""


def centre(width: int, height: int) -> tuple[int, int]:
    """Where the scene's zero lies in a picture. On the grid for the seven sizes, so no size shifts half a token."""
    return width // 2, height // 2


def render(scene: Scene, width: int, height: int) -> NDArray[uint8]:
    """(height, width, 3) uint8 sRGB, the same for the same scene."""
    plan = _plan(scene)
    light = light_of(scene.time, scene.style)
    pixels = np.empty((height, width, 3), uint8)
    x, y = centre(width, height)
    origin = (float(x), float(y))
    scenery = Pen(pixels, origin, flip=plan.flip)
    layout = np.random.default_rng((len(scene.place), scene.jitter % LAYOUTS))
    places.draw(scenery, scene.place, light, layout)
    portrait = scene.shot == "portrait"
    for thing, (px, py, scale, front) in plan.spots.items():
        if not front:
            things.draw(_lit(scenery.at(px, py, scale), light), thing, lit=light.lamps)
    if scene.shot != "none":
        _figure(Pen(pixels, origin, tint=light.figure), scene, light, plan)
    for thing, (px, py, scale, front) in plan.spots.items():
        if front:
            pen = scenery if not portrait else Pen(pixels, origin)
            things.draw(_lit(pen.at(px, py, scale), light), thing, lit=light.lamps)
    grade(pixels, light, origin)
    return pixels


def boxes(scene: Scene) -> dict[str, Box]:
    """Where `face`, `head`, `figure` and each thing lie: left, top, right, bottom in px from the scene's zero."""
    plan = _plan(scene)
    turn = -1 if plan.flip else 1
    x = turn * plan.step
    found: dict[str, Box] = {}
    for thing, (px, py, scale, front) in plan.spots.items():
        middle = px if front and scene.shot == "portrait" else turn * px
        wide, high = SPANS.get(thing, (100, 170))
        found[thing] = (middle - wide * scale, py - high * scale, middle + wide * scale, py + 20)
    if scene.shot == "portrait":
        found |= {"figure": (x - 320, -330, x + 320, 400), "head": (x - 170, FACE_Y - 200, x + 170, FACE_Y + 170)}
        found["face"] = (x - 140, FACE_Y - 110, x + 140, FACE_Y + 150)
    elif scene.shot == "full":
        found["figure"] = (x - 150, FEET - 7.2 * UNIT, x + 150, FEET + 20)
        found["head"] = (x - 60, FEET - 7.2 * UNIT, x + 60, FEET - 5.8 * UNIT)
        found["face"] = (x - 40, FEET - 6.85 * UNIT, x + 40, FEET - 5.98 * UNIT)
    return found


@dataclass(frozen=True)
class _Plan:
    """What lots decide about figure and things."""

    flip: bool
    step: int
    """How far the figure stands from the middle, px before mirroring."""
    spots: dict[str, tuple[float, float, float, bool]]
    """Thing → (x, y, scale, whether it comes before the figure)."""
    other: Colour
    shoes: Colour


def _plan(scene: Scene) -> _Plan:
    rng = np.random.default_rng(scene.jitter)
    flip, side = bool(rng.random() < 0.5), int(rng.choice((-1, 1)))
    step = _step(scene, side, rng)
    spots = _spots(scene, side, step, rng)
    other = OTHERS[int(rng.integers(3))] if scene.colour != "black" else OTHERS[2]
    return _Plan(flip, step, spots, other, SHOES[int(rng.integers(3))])


def _step(scene: Scene, side: int, rng: np.random.Generator) -> int:
    """Away from the first thing if there is one, a little to either side if there are two."""
    room = (3, 3, 1)[min(2, len(scene.things))]
    lot = int(rng.integers(-room, room + 1))
    return GRID * (-side * abs(lot) if len(scene.things) == 1 and "umbrella" not in scene.things else lot)


def _spots(scene: Scene, side: int, step: int, rng: np.random.Generator) -> dict[str, tuple[float, float, float, bool]]:
    spots: dict[str, tuple[float, float, float, bool]] = {}
    for number, thing in enumerate(scene.things):
        here = side if number == 0 else -side
        x, y = here * GRID * int(rng.integers(7, 9)), FEET - 10
        if scene.shot == "portrait":
            spots[thing] = (here * 288, y, 1.12, False)
            if thing in ("cat", "dog"):
                spots[thing] = (here * 240, 300, 1.5, True)
            elif thing == "umbrella":
                spots[thing] = (step, 20, 2.2, False)
        elif thing == "umbrella" and scene.shot == "full":
            spots[thing] = (step + 0.86 * UNIT, FEET - 5.0 * UNIT, 1.05, False)
        elif thing == "tree":
            spots[thing] = (here * 288, y - 50, 1.15, False)
        elif thing == "umbrella":
            spots[thing] = (here * 224, FEET - 60, 1.1, False)
        else:
            spots[thing] = (x, y, 1.12, thing in ("cat", "dog"))
    return spots


def _lit(pen: Pen, light: Light) -> Pen:
    return Pen(pen.pixels, pen.origin, pen.scale, pen.flip, mix(light.scenery, light.figure, 0.7))


def _figure(pen: Pen, scene: Scene, light: Light, plan: _Plan) -> None:
    flip, step = plan.flip, plan.step
    portrait = scene.shot == "portrait"
    scale = UNIT * (PORTRAIT if portrait else 1)
    feet = FACE_Y + 6.48 * UNIT * PORTRAIT if portrait else FEET
    if not portrait:
        _shadow(Pen(pen.pixels, pen.origin), light, -step if flip else step, feet, flip=flip)
    pose = "holding" if "umbrella" in scene.things else scene.pose
    look = figure.Look(
        body=figure.BODIES[scene.person],
        pose=figure.POSES[pose],
        skin=figure.SKINS[scene.skin],
        main=figure.COLOURS[scene.colour],
        other=plan.other,
        shoes=plan.shoes,
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
    body = Pen(pen.pixels, pen.origin, flip=flip, tint=pen.tint).at(step, feet, scale)
    above = body.at(0, -6.48)
    head.behind(above, face)
    figure.draw(body, scene.garment, look)
    head.draw(above, face)


def _shadow(pen: Pen, light: Light, x: float, feet: float, *, flip: bool) -> None:
    """A soft pool under the feet, and in cinematic light a long shadow away from the sun."""
    ground = pen.pixels.copy()
    if light.cinematic and not light.lamps:
        away = -1 if light.sun_at[0] > 0 else 1
        away = -away if flip else away
        pen.poly(
            [
                (x - 40, feet + 10),
                (x + 44, feet + 10),
                (x + away * 330 + 60, feet + 150),
                (x + away * 330 - 60, feet + 150),
            ],
            (0, 0, 0),
        )
    pen.ellipse((x, feet + 12), (96, 17), (0, 0, 0))
    share = 0.7 if light.cinematic else 0.78
    pen.pixels[:] = cv2.addWeighted(ground, share, pen.pixels, 1 - share, 0)
