"""Adult head: hair behind, face, hair before, hat, glasses, and the marks of the characters. Zero is its centre."""

from collections.abc import Callable
from dataclasses import dataclass

from starter.draw.pen import Colour, Pen, times

WIDE, HIGH = 0.37, 0.48
"""Half of the head's width and height, in heads."""
HAIRS: dict[str, Colour] = {
    "black": (32, 28, 36),
    "brown": (112, 66, 34),
    "blond": (246, 208, 104),
    "red": (206, 76, 26),
    "grey": (176, 180, 188),
    "pink": (246, 124, 176),
    "blue": (52, 128, 216),
}


@dataclass(frozen=True)
class Face:
    """Attributes of the head."""

    skin: Colour
    hair: Colour
    cut: str
    woman: bool
    glasses: bool
    hat: Colour | None
    character: str


def behind(pen: Pen, face: Face) -> None:
    """Draws the hair behind neck and shoulders; called before the body is drawn."""
    dark = times(face.hair, (0.78, 0.77, 0.8))
    if face.cut == "long":
        pen.ellipse((0, -0.05), (0.52, 0.55), dark)
        pen.poly([(-0.52, -0.05), (0.52, -0.05), (0.6, 1.05), (0.36, 1.22), (-0.36, 1.22), (-0.6, 1.05)], dark)
    elif face.cut == "curly":
        for x, y, r in (
            (-0.42, 0.1, 0.34),
            (0.42, 0.1, 0.34),
            (-0.36, -0.3, 0.34),
            (0.36, -0.3, 0.34),
            (0, -0.42, 0.36),
        ):
            pen.ellipse((x, y), (r, r), dark)
    elif face.cut == "bun":
        pen.ellipse((0, -0.62), (0.25, 0.23), dark)
    if face.character == "bella":
        pen.poly([(0.3, 0.1), (0.62, 0.2), (0.66, 1.3), (0.5, 1.5), (0.36, 1.3)], dark)


def draw(pen: Pen, face: Face) -> None:
    """Draws face, features and the hair before them."""
    shade = times(face.skin, (0.87, 0.83, 0.83))
    for side in (-1, 1):
        pen.ellipse((side * WIDE, 0.06), (0.075, 0.12), shade)
    jaw = 0.31 if face.woman else 0.35
    outline = [
        (-WIDE, -0.1),
        (-WIDE, 0.1),
        (-jaw, 0.28),
        (-0.17, 0.44),
        (0, 0.49),
        (0.17, 0.44),
        (jaw, 0.28),
        (WIDE, 0.1),
        (WIDE, -0.1),
    ]
    pen.ellipse((0, -0.08), (WIDE, 0.4), face.skin)
    pen.poly(outline, face.skin)
    _features(pen, face, shade)
    CUTS[face.cut](pen, face)
    if face.hat is not None:
        _hat(pen, face.hat)
    if face.character:
        CHARACTERS[face.character](pen, face)


def _features(pen: Pen, face: Face, shade: Colour) -> None:
    dark = times(face.hair, (0.6, 0.6, 0.62)) if sum(face.hair) < 500 else (120, 84, 60)
    for side in (-1, 1):
        x = side * 0.155
        pen.line([(side * 0.075, -0.135), (x, -0.165), (side * 0.235, -0.13)], 0.04 if face.woman else 0.055, dark)
        pen.ellipse((x, 0.0), (0.075, 0.062), (252, 252, 250))
        pen.ellipse((x, 0.004), (0.046, 0.06), (44, 34, 36))
        pen.ellipse((x - 0.014, -0.018), (0.014, 0.016), (255, 255, 255))
        if face.woman:
            pen.line([(side * 0.08, -0.03), (x, -0.066), (side * 0.24, -0.03)], 0.032, (44, 34, 36))
            pen.ellipse((side * 0.215, 0.14), (0.06, 0.045), times(face.skin, (0.98, 0.82, 0.80)))
    pen.line([(0.0, 0.02), (0.035, 0.13), (-0.01, 0.145)], 0.026, shade)
    lips = (200, 62, 70) if face.woman else times(face.skin, (0.7, 0.5, 0.5))
    pen.poly(
        [(-0.12, 0.235), (-0.04, 0.222), (0, 0.235), (0.04, 0.222), (0.12, 0.235), (0.06, 0.295), (-0.06, 0.295)], lips
    )
    if face.glasses:
        for side in (-1, 1):
            _ring(pen, side * 0.16, 0.0, 0.125, (40, 36, 44))
        pen.line([(-0.04, -0.01), (0.04, -0.01)], 0.03, (40, 36, 44))


def _ring(pen: Pen, x: float, y: float, radius: float, colour: Colour) -> None:
    points = [(x + radius * a, y + radius * b) for a, b in
              ((1, 0), (0.71, 0.71), (0, 1), (-0.71, 0.71), (-1, 0), (-0.71, -0.71), (0, -1), (0.71, -0.71), (1, 0))]  # fmt: skip
    pen.line(points, 0.03, colour)


def _cap(pen: Pen, face: Face, fringe: list[tuple[float, float]]) -> None:
    """Draws hair over the skull down to the `fringe`, a line from the right temple to the left."""
    skull = [
        (-0.42, 0.02),
        (-0.44, -0.2),
        (-0.36, -0.42),
        (-0.18, -0.54),
        (0, -0.57),
        (0.18, -0.54),
        (0.36, -0.42),
        (0.44, -0.2),
        (0.42, 0.02),
    ]
    pen.poly([*skull, *fringe], face.hair)
    light = tuple(min(255.0, c * 1.12 + 14) for c in face.hair)
    pen.line([(-0.26, -0.4), (-0.1, -0.48), (0.06, -0.49)], 0.05, light)  # type: ignore[arg-type]


def _long(pen: Pen, face: Face) -> None:
    for side in (-1, 1):
        pen.poly(
            [
                (side * 0.34, -0.3),
                (side * 0.46, -0.2),
                (side * 0.54, 0.5),
                (side * 0.5, 0.95),
                (side * 0.36, 0.9),
                (side * 0.37, 0.2),
            ],
            face.hair,
        )
    _cap(pen, face, [(0.34, 0.0), (0.3, -0.2), (0.06, -0.36), (-0.2, -0.22), (-0.34, 0.0)])


def _short(pen: Pen, face: Face) -> None:
    _cap(pen, face, [(0.35, -0.02), (0.32, -0.2), (0.1, -0.28), (-0.14, -0.24), (-0.32, -0.22), (-0.35, -0.02)])
    if face.woman:
        for side in (-1, 1):
            pen.poly(
                [(side * 0.32, -0.24), (side * 0.45, -0.2), (side * 0.48, 0.3), (side * 0.36, 0.4), (side * 0.34, 0.1)],
                face.hair,
            )


def _curly(pen: Pen, face: Face) -> None:
    for x, y, r in ((-0.36, -0.24, 0.2), (0.36, -0.24, 0.2), (-0.2, -0.42, 0.22), (0.2, -0.42, 0.22), (0, -0.46, 0.22)):
        pen.ellipse((x, y), (r, r * 0.9), face.hair)
    for x, y in ((-0.44, 0.02), (0.44, 0.02)):
        pen.ellipse((x, y), (0.14, 0.2), face.hair)


def _bun(pen: Pen, face: Face) -> None:
    _cap(pen, face, [(0.35, 0.0), (0.3, -0.24), (0.0, -0.36), (-0.3, -0.24), (-0.35, 0.0)])


CUTS: dict[str, Callable[[Pen, Face], None]] = {"long": _long, "short": _short, "curly": _curly, "bun": _bun}


def _hat(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.36, -0.34), (-0.3, -0.82), (-0.1, -0.88), (0.1, -0.86), (0.3, -0.82), (0.36, -0.34)], colour)
    pen.ellipse((0, -0.32), (0.74, 0.11), times(colour, (0.92, 0.92, 0.92)))
    pen.poly([(-0.355, -0.38), (-0.335, -0.52), (0.335, -0.52), (0.355, -0.38)], (150, 52, 48))


def _aaliyah(pen: Pen, _face: Face) -> None:
    """Draws large gold hoops and a gold band across the curls."""
    gold = (250, 194, 48)
    pen.poly(
        [
            (-0.42, -0.26),
            (-0.3, -0.42),
            (0, -0.5),
            (0.3, -0.42),
            (0.42, -0.26),
            (0.4, -0.14),
            (0.28, -0.3),
            (0, -0.38),
            (-0.28, -0.3),
            (-0.4, -0.14),
        ],
        gold,
    )
    for side in (-1, 1):
        _ring(pen, side * 0.46, 0.3, 0.12, gold)
        pen.ellipse((side * 0.46, 0.3), (0.1, 0.1), gold)


def _aya(pen: Pen, _face: Face) -> None:
    """Draws a green beret and round glasses."""
    pen.ellipse((0.06, -0.46), (0.52, 0.2), (34, 138, 92), angle=-8)
    pen.ellipse((0.06, -0.68), (0.06, 0.06), (24, 104, 70))
    for side in (-1, 1):
        _ring(pen, side * 0.165, 0.0, 0.13, (44, 40, 48))


def _bella(pen: Pen, face: Face) -> None:
    """Draws a braid over the shoulder and a large pink flower."""
    for step in range(5):
        pen.ellipse((0.5, 0.42 + step * 0.22), (0.16, 0.14), face.hair)
    for x, y in ((0, -0.13), (0.13, -0.03), (0.08, 0.12), (-0.08, 0.12), (-0.13, -0.03)):
        pen.ellipse((-0.36 + x, -0.32 + y), (0.11, 0.11), (246, 92, 150))
    pen.ellipse((-0.36, -0.32), (0.08, 0.08), (255, 226, 110))


CHARACTERS: dict[str, Callable[[Pen, Face], None]] = {"aaliyah": _aaliyah, "aya": _aya, "bella": _bella}
