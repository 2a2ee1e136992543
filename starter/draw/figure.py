"""Adult figure below the neck: limbs by pose, clothes by garment. The unit is the height of the head; feet at 0."""

from collections.abc import Callable
from dataclasses import dataclass

from starter.draw.pen import Colour, Pen, Point, times

HEADS = 7.0
"""Height of an adult, in heads. Source: the drawing canon, A. Loomis, Figure Drawing for All It's Worth, 1943."""
SHADE: Colour = (0.80, 0.79, 0.84)
SKINS: dict[str, Colour] = {
    "pale": (250, 220, 200),
    "tan": (226, 178, 138),
    "brown": (172, 118, 82),
    "dark": (112, 72, 52),
}
COLOURS: dict[str, Colour] = {
    "red": (216, 42, 46),
    "orange": (246, 134, 30),
    "yellow": (252, 216, 50),
    "green": (40, 150, 72),
    "blue": (36, 92, 208),
    "purple": (134, 54, 176),
    "white": (248, 248, 246),
    "black": (38, 36, 44),
}


@dataclass(frozen=True)
class Pose:
    """Pose: places of the joints, in heads, (x, y) from the shoulder or hip line's middle on the figure's own axis."""

    left_arm: tuple[Point, Point]
    right_arm: tuple[Point, Point]
    left_leg: tuple[Point, Point]
    right_leg: tuple[Point, Point]


_DOWN_LEFT, _DOWN_RIGHT = ((-0.98, -4.45), (-1.02, -3.35)), ((0.98, -4.45), (1.02, -3.35))
_LEGS = ((-0.34, -1.95), (-0.36, -0.18)), ((0.34, -1.95), (0.36, -0.18))
POSES: dict[str, Pose] = {
    "standing": Pose(_DOWN_LEFT, _DOWN_RIGHT, *_LEGS),
    "walking": Pose(
        ((-1.12, -4.55), (-1.34, -3.6)),
        ((1.0, -4.5), (0.72, -3.6)),
        ((-0.5, -2.0), (-0.82, -0.3)),
        ((0.46, -2.0), (0.62, -0.1)),
    ),
    "waving": Pose(_DOWN_LEFT, ((1.42, -5.0), (1.5, -6.3)), *_LEGS),
    "confident": Pose(((-1.42, -4.55), (-0.68, -3.85)), ((1.42, -4.55), (0.68, -3.85)), *_LEGS),
    "holding": Pose(_DOWN_LEFT, ((1.12, -4.55), (0.86, -5.0)), *_LEGS),
}


@dataclass(frozen=True)
class Body:
    """Build: widths of the body, half of each, in heads."""

    shoulder: float
    waist: float
    hip: float


BODIES = {"woman": Body(0.76, 0.5, 0.68), "man": Body(0.96, 0.66, 0.64)}


@dataclass(frozen=True)
class Look:
    """Attributes of the figure below the neck."""

    body: Body
    pose: Pose
    skin: Colour
    main: Colour
    """Colour of the outfit."""
    other: Colour
    """Colour of the rest: trousers under a coat, skirt hems, belts."""
    shoes: Colour


def draw(pen: Pen, garment: str, look: Look) -> None:
    """Draws neck, body, clothes, arms and legs; the head comes later, over it."""
    GARMENTS[garment](pen, look)


def _leg(pen: Pen, look: Look, side: int, width: float, colour: Colour) -> None:
    joints = look.pose.left_leg if side < 0 else look.pose.right_leg
    hip = (side * 0.33, -3.5)
    pen.line([hip, joints[0], joints[1]], width, colour if side < 0 else times(colour, SHADE))
    x, y = joints[1]
    pen.poly(
        [(x - 0.2, y - 0.12), (x + 0.2, y - 0.12), (x + 0.24 + 0.1 * side, y + 0.2), (x - 0.24 + 0.1 * side, y + 0.2)],
        look.shoes,
    )


def _legs(pen: Pen, look: Look, width: float, colour: Colour) -> None:
    for side in (-1, 1):
        _leg(pen, look, side, width, colour)


def _arms(pen: Pen, look: Look, sleeve: Colour, *, short: bool = False, width: float = 0.36) -> None:
    for side, joints in ((-1, look.pose.left_arm), (1, look.pose.right_arm)):
        shoulder = (side * (look.body.shoulder - 0.14), -5.46)
        elbow, hand = joints
        cloth = sleeve if side < 0 else times(sleeve, SHADE)
        pen.line([elbow, hand], 0.24, look.skin)
        pen.ellipse(hand, (0.17, 0.2), look.skin)
        if hand[1] < elbow[1] - 1:  # raised, so it shows its fingers
            for spread in (-1.5, -0.5, 0.5, 1.5):
                root = (hand[0] + spread * 0.085, hand[1] - 0.1)
                pen.line([root, (root[0] + spread * 0.035, hand[1] - 0.36 + 0.03 * abs(spread))], 0.085, look.skin)
            pen.line([hand, (hand[0] - side * 0.26, hand[1] - 0.06)], 0.09, look.skin)
        if short:
            pen.line([shoulder, elbow], 0.25, look.skin)
            middle = (shoulder[0] * 0.45 + elbow[0] * 0.55, shoulder[1] * 0.45 + elbow[1] * 0.55)
            pen.line([shoulder, middle], width, cloth)
            continue
        wrist = (elbow[0] * 0.2 + hand[0] * 0.8, elbow[1] * 0.2 + hand[1] * 0.8)
        pen.line([shoulder, elbow, wrist], width, cloth)


def _neck(pen: Pen, look: Look) -> None:
    pen.line([(0, -6.15), (0, -5.6)], 0.34, times(look.skin, (0.86, 0.84, 0.84)))
    pen.poly([(-0.34, -5.68), (0.34, -5.68), (0, -5.3)], look.skin)


def _torso(pen: Pen, look: Look, bottom: float, flare: float, colour: Colour) -> None:
    """Draws a garment from the shoulders to `bottom`, `flare` wide there; its right side is in shade."""
    body = look.body
    right = [
        (0.2, -5.74),
        (body.shoulder, -5.5),
        (body.waist + 0.12, -4.9),
        (body.waist, -4.35),
        (body.hip, -3.7),
        (flare, bottom),
    ]
    left = [(-x, y) for x, y in reversed(right)]
    pen.poly([*left, *right], colour)
    pen.poly([(0.36, -5.7), *right[1:], (flare * 0.45, bottom), (0.3, -4.3)], times(colour, SHADE))


def _coat(pen: Pen, look: Look) -> None:
    _legs(pen, look, 0.42, look.other)
    _neck(pen, look)
    _torso(pen, look, -1.75, look.body.hip + 0.28, look.main)
    pen.poly([(-0.26, -5.72), (0.26, -5.72), (0, -5.0)], look.other)
    dark = times(look.main, (0.66, 0.65, 0.7))
    pen.poly([(-0.24, -5.8), (-0.44, -5.62), (-0.26, -5.05), (0, -4.8)], dark)
    pen.poly([(0.24, -5.8), (0.44, -5.62), (0.26, -5.05), (0, -4.8)], dark)
    pen.line([(0, -4.8), (0, -1.8)], 0.05, dark)
    pen.poly(
        [
            (-look.body.waist - 0.03, -4.42),
            (look.body.waist + 0.03, -4.42),
            (look.body.waist + 0.03, -4.2),
            (-look.body.waist - 0.03, -4.2),
        ],
        dark,
    )
    _arms(pen, look, look.main, width=0.4)


def _dress(pen: Pen, look: Look) -> None:
    _legs(pen, look, 0.27, look.skin)
    _neck(pen, look)
    _torso(pen, look, -1.6, look.body.hip + 0.5, look.main)
    pen.poly([(-0.36, -5.72), (0.36, -5.72), (0.2, -5.36), (-0.2, -5.36)], look.skin)
    belt = times(look.main, (0.62, 0.6, 0.66))
    pen.box(-look.body.waist - 0.02, -4.44, look.body.waist + 0.02, -4.24, belt)
    _arms(pen, look, look.main, short=True)


def _suit(pen: Pen, look: Look) -> None:
    _legs(pen, look, 0.46, times(look.main, (0.9, 0.9, 0.92)))
    _neck(pen, look)
    _torso(pen, look, -3.2, look.body.hip + 0.1, look.main)
    shirt = (246, 246, 242) if sum(look.main) < 640 else (96, 130, 186)
    pen.poly([(-0.3, -5.72), (0.3, -5.72), (0, -4.5)], shirt)
    pen.poly([(-0.07, -5.56), (0.07, -5.56), (0.1, -4.86), (0, -4.72), (-0.1, -4.86)], look.other)
    dark = times(look.main, (0.68, 0.67, 0.72))
    for side in (-1, 1):
        pen.poly([(side * 0.2, -5.8), (side * 0.44, -5.66), (side * 0.42, -5.2), (0, -4.45)], dark)
    pen.line([(0, -4.45), (0, -3.25)], 0.05, dark)
    _arms(pen, look, look.main, width=0.38)


def _shirt(pen: Pen, look: Look) -> None:
    _legs(pen, look, 0.44, look.other)
    _neck(pen, look)
    _torso(pen, look, -3.45, look.body.hip + 0.02, look.main)
    pen.poly([(-0.3, -5.74), (0.3, -5.74), (0.14, -5.5), (-0.14, -5.5)], look.skin)
    _arms(pen, look, look.main, short=True, width=0.4)


GARMENTS: dict[str, Callable[[Pen, Look], None]] = {"coat": _coat, "dress": _dress, "suit": _suit, "shirt": _shirt}
