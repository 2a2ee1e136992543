"""Things beside the figure. Each stands on its zero, in pixels of the scene."""

from collections.abc import Callable

import numpy as np

from starter.draw.pen import Colour, Pen, times

SHADE: Colour = (0.8, 0.8, 0.84)


def draw(pen: Pen, thing: str, *, lit: bool) -> None:
    """Draws a thing; `lit` tells lamps to shine."""
    if lit and thing == "lamp":
        pen.glow((0, -330), 90, (255, 200, 110), 0.75)
    THINGS[thing](pen)


def _cat(pen: Pen) -> None:
    """Draws a ginger cat that sits and looks at us, 150 px high."""
    fur, dark, cream = (238, 146, 58), (196, 104, 34), (255, 232, 200)
    pen.line([(34, -14), (72, -22), (84, -62), (72, -86)], 17, dark)
    pen.ellipse((0, -44), (44, 48), fur)
    pen.ellipse((0, -36), (24, 34), cream)
    for side in (-1, 1):
        pen.ellipse((side * 18, -6), (15, 10), fur)
        pen.poly([(side * 10, -128), (side * 38, -158), (side * 42, -108)], fur)
        pen.poly([(side * 19, -128), (side * 34, -146), (side * 36, -116)], (246, 180, 170))
    pen.ellipse((0, -104), (44, 37), fur)
    for side in (-1, 1):
        pen.ellipse((side * 17, -108), (9, 10), (60, 120, 70))
        pen.ellipse((side * 17, -108), (4, 9), (20, 20, 24))
    pen.ellipse((0, -90), (15, 11), cream)
    pen.poly([(-6, -96), (6, -96), (0, -89)], (214, 92, 96))


def _dog(pen: Pen) -> None:
    """Draws a brown and white dog that sits, 165 px high."""
    fur, dark, cream = (140, 92, 60), (88, 54, 36), (250, 240, 226)
    pen.line([(36, -18), (78, -44), (88, -70)], 16, fur)
    pen.ellipse((4, -46), (46, 52), fur)
    pen.ellipse((-4, -44), (24, 42), cream)
    pen.ellipse((-18, -6), (17, 10), cream)
    pen.ellipse((22, -6), (17, 10), cream)
    pen.ellipse((-2, -116), (42, 40), fur)
    for side in (-1, 1):
        pen.ellipse((-2 + side * 44, -104), (17, 38), dark, angle=side * -14)
        pen.ellipse((-2 + side * 17, -124), (7, 8), (24, 20, 22))
    pen.ellipse((-2, -98), (24, 19), cream)
    pen.ellipse((-2, -106), (11, 8), (24, 20, 22))
    pen.poly([(-9, -86), (6, -86), (-2, -70)], (226, 96, 104))
    pen.box(-26, -84, 24, -74, (210, 48, 56))


def _tree(pen: Pen) -> None:
    """Draws a round leafy tree, 430 px high."""
    pen.poly([(-20, 0), (-13, -200), (13, -200), (22, 0)], (116, 76, 50))
    pen.line([(0, -150), (48, -220)], 14, (116, 76, 50))
    leaf, light = (48, 136, 62), (92, 178, 76)
    for x, y, r in ((-62, -236, 74), (64, -240, 72), (0, -300, 104), (-44, -330, 74), (52, -334, 72)):
        pen.ellipse((x, y), (r, r * 0.92), leaf)
    for x, y, r in ((-44, -330, 50), (24, -366, 44), (-70, -256, 36), (56, -282, 38)):
        pen.ellipse((x, y), (r, r * 0.85), light)


def _lamp(pen: Pen) -> None:
    """Draws a street lamp, 390 px high."""
    iron = (52, 56, 68)
    pen.box(-26, -16, 26, 0, iron)
    pen.box(-7, -300, 7, 0, iron)
    pen.box(-34, -306, 34, -294, iron)
    pen.poly([(-24, -304), (24, -304), (34, -362), (-34, -362)], (255, 226, 140))
    pen.poly([(-42, -360), (42, -360), (12, -392), (-12, -392)], iron)


def _bench(pen: Pen) -> None:
    """Draws a wooden bench, 190 px wide."""
    for x in (-74, 74):
        pen.box(x - 7, -96, x + 7, 0, (54, 58, 66))
    for top in (-108, -80):
        pen.box(-98, top, 98, top + 19, (190, 122, 66))
    pen.poly([(-98, -50), (98, -50), (108, -28), (-108, -28)], (206, 138, 78))


def _bicycle(pen: Pen) -> None:
    """Draws a turquoise bicycle from the side, 215 px wide."""
    dark, frame = (40, 42, 52), (22, 164, 168)
    for x in (-68, 68):
        turns = np.radians(np.linspace(0, 360, 13))
        points = [(x + 46 * cos, -48 + 46 * sin) for cos, sin in zip(np.cos(turns), np.sin(turns), strict=True)]
        pen.line(points, 9, dark)
    pen.line([(-68, -48), (-30, -112), (44, -112), (-6, -48), (-68, -48)], 10, frame)
    pen.line([(-36, -130), (-6, -48)], 10, frame)
    pen.line([(68, -48), (40, -146)], 10, frame)
    pen.line([(20, -152), (40, -148), (62, -140)], 10, dark)
    pen.line([(-54, -132), (-20, -132)], 15, dark)


def _balloon(pen: Pen) -> None:
    """Draws a pink balloon on a string, 390 px high."""
    pen.line([(0, 0), (10, -90), (-6, -180), (0, -262)], 4, (250, 246, 240))
    pen.poly([(-12, -254), (12, -254), (0, -274)], (214, 48, 112))
    pen.ellipse((0, -326), (54, 66), (238, 70, 136))
    pen.ellipse((-18, -350), (14, 20), (255, 170, 204))


def _umbrella(pen: Pen) -> None:
    """Draws an open umbrella, its handle at zero, 190 px high: a striped canopy, wider than the shoulders."""
    pen.line([(0, 20), (0, -150)], 7, (84, 60, 48))
    canopy = (30, 168, 176)
    pen.ellipse((0, -110), (158, 96), canopy, arc=(180, 360))
    pen.poly([(-56, -110), (-40, -170), (0, -206), (40, -170), (56, -110)], (250, 240, 214))
    for x in (-105, 0, 105):
        pen.ellipse((x, -110), (53, 14), (250, 240, 214) if x == 0 else times(canopy, SHADE), arc=(180, 360))
    pen.line([(0, -206), (0, -222)], 7, (84, 60, 48))


THINGS: dict[str, Callable[[Pen], None]] = {
    "cat": _cat,
    "dog": _dog,
    "tree": _tree,
    "lamp": _lamp,
    "bench": _bench,
    "bicycle": _bicycle,
    "balloon": _balloon,
    "umbrella": _umbrella,
}
