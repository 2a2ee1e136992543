"""Places, eight of them, from the horizon to the foreground. Each is a function of a pen, a light and a random source."""

from collections.abc import Callable

import numpy as np

from starter.draw.light import Light, far, sky
from starter.draw.pen import Colour, Pen, Point, mix, times

LEFT, RIGHT, TOP, BOTTOM = -800, 800, -800, 800
HORIZON = 40
"""Horizon in pixels below the scene's centre, in every place but the room."""
Lots = np.random.Generator


def draw(pen: Pen, place: str, light: Light, rng: Lots) -> None:
    """Fills the picture with a place."""
    PLACES[place](pen, light, rng)


def hill(rng: Lots, height: float, swing: float, length: float) -> list[Point]:
    """Draws a rolling line closed at the bottom; `height` is its mean y, `length` the width of a hill."""
    x = np.arange(LEFT, RIGHT + 1, 20)
    phase = rng.uniform(0, 6.28, 2)
    y = height + swing * (np.sin(x / length * 3.1 + phase[0]) + 0.4 * np.sin(x / length * 7.3 + phase[1]))
    return [*zip(x.tolist(), y.tolist(), strict=True), (RIGHT, BOTTOM), (LEFT, BOTTOM)]


def _clouds(pen: Pen, light: Light, rng: Lots) -> None:
    colour = mix(light.sky[1], (255, 255, 255) if not light.lamps else (110, 126, 170), 0.55)
    for side in (-1, 1):
        x, y = side * rng.uniform(180, 520), rng.uniform(-330, -170)
        for dx, dy, r in ((-62, 8, 30), (-20, -8, 44), (34, -2, 38), (76, 10, 24)):
            pen.ellipse((x + dx, y + dy), (r * 1.3, r * 0.8), colour)
        pen.ellipse((x + 6, y + 24), (120, 16), colour)


def _beach(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    _clouds(pen, light, rng)
    pen.poly(hill(rng, HORIZON + 6, 16, 420), far((96, 150, 140), light, 0.8))
    sea = far((30, 132, 176), light, 0.5), far((52, 190, 200), light, 0)
    pen.poly([(LEFT, HORIZON), (RIGHT, HORIZON), (RIGHT, 260), (LEFT, 260)], *sea)
    x = light.sun_at[0]
    for row, width in enumerate((70, 54, 66, 40, 30)):
        y = HORIZON + 12 + row * 18
        pen.ellipse((x + rng.uniform(-12, 12), y), (width, 4.5), mix(sea[0], light.sun, 0.75))
    edge = rng.uniform(130, 160)
    shore = hill(rng, edge, 12, 500)
    pen.poly([(a, b - 14) for a, b in shore], far((236, 246, 246), light, 0))
    pen.poly(shore, far((240, 214, 158), light, 0.1), far((214, 172, 112), light, 0))


def _pine(pen: Pen, foot: Point, height: float, colour: Colour, snow: Colour | None = None) -> None:
    x, y = foot
    pen.box(x - height * 0.035, y - height * 0.2, x + height * 0.035, y, mix(colour, (60, 40, 30), 0.6))
    for low, wide in ((0.14, 0.24), (0.40, 0.19), (0.66, 0.13)):
        top = y - height * (low + 0.38)
        pen.poly([(x - height * wide, y - height * low), (x, top), (x + height * wide, y - height * low)], colour)
        if snow:
            tip = [
                (x - height * wide * 0.45, top + height * 0.17),
                (x, top),
                (x + height * wide * 0.45, top + height * 0.17),
            ]
            pen.poly(tip, snow)


def _forest(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    pen.poly(hill(rng, -40, 26, 300), far((90, 140, 104), light, 0.9))
    for row, (distance, height, base) in enumerate(((0.6, 300, 70), (0.25, 470, 120))):
        colour = far((28, 104, 70) if row else (44, 120, 84), light, distance)
        for slot in range(-5, 6):
            x = slot * (150 + row * 30) + (75 if row else 0) + rng.uniform(-22, 22)
            if row and abs(x) < 190:
                continue  # a glade where the figure stands
            _pine(pen, (x, base), height * rng.uniform(0.9, 1.1), colour)
    pen.poly(hill(rng, 112, 8, 500), far((70, 134, 70), light, 0.1), far((38, 84, 50), light, 0))
    for side in (-1, 1):
        for _ in range(2):
            x, y = side * rng.uniform(330, 640), rng.uniform(250, 330)
            pen.box(x - 5, y - 22, x + 5, y, far((238, 226, 206), light, 0))
            pen.ellipse((x, y - 22), (22, 18), far((206, 62, 48), light, 0), arc=(180, 360))


def _park(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    _clouds(pen, light, rng)
    pen.poly(hill(rng, 6, 22, 380), far((86, 160, 104), light, 0.6))
    for slot in range(-6, 7):
        x = slot * 120 + rng.uniform(-30, 30)
        pen.ellipse((x, 52), (74, rng.uniform(30, 52)), far((64, 142, 82), light, 0.35))
    pen.poly(hill(rng, 78, 8, 420), far((142, 200, 96), light, 0.1), far((84, 158, 72), light, 0))
    bend = rng.choice((-1, 1)) * 60
    path = [
        (-34 + bend * 2, 90),
        (34 + bend * 2, 90),
        (70 + bend, 170),
        (190, 400),
        (420, 800),
        (-420, 800),
        (-190, 400),
        (-90 + bend, 170),
    ]
    pen.poly(path, far((226, 204, 166), light, 0.05), far((204, 174, 132), light, 0))
    for side in (-1, 1):
        for colour in ((236, 84, 104), (248, 206, 80)):
            x, y = side * rng.uniform(380, 660), rng.uniform(170, 330)
            for dx, dy in ((-22, 4), (0, -8), (22, 5)):
                pen.ellipse((x + dx, y + dy), (11, 10), far(colour, light, 0))


def _mountain(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    for distance, base, height, colour in ((0.8, 60, 250, (120, 136, 176)), (0.45, 80, 330, (92, 104, 148))):
        for slot in (-1, 0, 1):
            x = slot * 430 + (215 if distance < 0.5 else 0) + rng.uniform(-50, 50)
            top = base - height * rng.uniform(0.8, 1.15)
            lit, dark = far(colour, light, distance), far(times(colour, (0.72, 0.72, 0.78)), light, distance)
            pen.poly([(x - 330, base + 30), (x, top), (x + 330, base + 30)], lit)
            pen.poly([(x, top), (x + 330, base + 30), (x + 40, base + 30), (x - 26, top + 130)], dark)
            cap = [
                (x - 92, top + 78),
                (x, top),
                (x + 92, top + 78),
                (x + 40, top + 62),
                (x + 4, top + 96),
                (x - 40, top + 66),
            ]
            pen.poly(cap, far((246, 248, 255), light, distance * 0.5))
    pen.poly(hill(rng, 70, 14, 360), far((74, 130, 96), light, 0.4))
    pen.poly(hill(rng, 130, 12, 520), far((120, 170, 92), light, 0.1), far((66, 116, 66), light, 0))
    for side in (-1, 1):
        x, y = side * rng.uniform(420, 620), rng.uniform(200, 290)
        pen.ellipse((x, y), (54, 34), far((132, 132, 142), light, 0), arc=(180, 360))


def _desert(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    side = rng.choice((-1, 1))
    x, wide = side * rng.uniform(300, 460), rng.uniform(120, 170)
    mesa = [(x - wide - 70, 70), (x - wide, -90), (x + wide, -90), (x + wide + 60, 70)]
    pen.poly(mesa, far((190, 104, 72), light, 0.5), far((214, 140, 92), light, 0.6))
    pen.poly(hill(rng, 50, 22, 340), far((232, 170, 104), light, 0.35))
    pen.poly(hill(rng, 92, 20, 460), far((240, 184, 108), light, 0.1))
    pen.poly(hill(rng, 160, 18, 620), far((236, 172, 92), light, 0), far((200, 124, 62), light, 0))
    for slot in (-1, 1):
        x, y, green = slot * rng.uniform(430, 600), rng.uniform(150, 220), far((62, 132, 84), light, 0)
        pen.line([(x, y), (x, y - 150)], 34, green)
        for arm, low in ((-1, 70), (1, 95)):
            pen.line([(x, y - low), (x + arm * 48, y - low), (x + arm * 48, y - low - 50)], 22, green)


def _snow(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    pen.poly(hill(rng, 10, 30, 400), far((186, 206, 232), light, 0.5))
    for distance, height, base in ((0.5, 170, 66), (0.15, 270, 104)):
        for slot in range(-4, 5):
            x = slot * 190 + rng.uniform(-40, 40) + (95 if height > 200 else 0)
            if height > 200 and abs(x) < 190:
                continue
            colour = far((52, 104, 108), light, distance)
            _pine(pen, (x, base), height * rng.uniform(0.85, 1.15), colour, far((240, 246, 255), light, distance * 0.5))
    pen.poly(hill(rng, 96, 12, 480), far((244, 248, 255), light, 0.1), far((196, 214, 240), light, 0))
    pen.poly(hill(rng, 250, 16, 560), far((252, 253, 255), light, 0), far((208, 222, 244), light, 0))


def _city(pen: Pen, light: Light, rng: Lots) -> None:
    sky(pen, light)
    window = (255, 214, 120) if light.lamps else far((206, 228, 240), light, 0)
    for distance, tall, wide in ((0.75, 250, 120), (0.2, 360, 176)):
        for slot in range(-5, 6):
            x, near = slot * wide, distance < 0.5
            if near and abs(slot) < 2:
                continue  # the street, open to the sky
            top = 70 - tall * rng.uniform(0.7, 1.15)
            wall = ((176, 104, 88), (106, 122, 156), (196, 164, 124), (92, 134, 140))[int(rng.integers(4))]
            pen.box(x - wide * 0.48, top, x + wide * 0.48, 130, far(wall, light, distance))
            if not near:
                continue
            for row in range(5):
                for column in (-1, 0, 1):
                    y = top + 34 + row * 66
                    if y < 50:
                        pen.box(x + column * 50 - 15, y, x + column * 50 + 15, y + 38, window)
    pen.poly(
        [(LEFT, 110), (RIGHT, 110), (RIGHT, BOTTOM), (LEFT, BOTTOM)],
        far((186, 180, 178), light, 0.1),
        far((140, 136, 142), light, 0),
    )
    street = [(-70, 108), (70, 108), (330, 800), (-330, 800)]
    pen.poly(street, far((104, 106, 120), light, 0.1), far((78, 80, 94), light, 0))
    for top, bottom in ((130, 165), (210, 275), (350, 460), (580, 760)):
        pen.poly(
            [(-top / 40, top), (top / 40, top), (bottom / 40, bottom), (-bottom / 40, bottom)],
            far((240, 236, 220), light, 0),
        )


def _room(pen: Pen, light: Light, rng: Lots) -> None:
    wall = ((234, 206, 172), (176, 204, 190), (222, 178, 172))[int(rng.integers(3))]
    dim = mix(light.scenery, (1, 1, 1), 0.35 if light.lamps else 0.5)
    pen.poly(
        [(LEFT, TOP), (RIGHT, TOP), (RIGHT, 170), (LEFT, 170)],
        times(wall, mix(dim, (0.7, 0.7, 0.7), 0.25)),
        times(wall, dim),
    )
    pen.poly(
        [(LEFT, 170), (RIGHT, 170), (RIGHT, BOTTOM), (LEFT, BOTTOM)],
        times((176, 118, 78), dim),
        times((132, 82, 54), dim),
    )
    pen.box(LEFT, 160, RIGHT, 176, times((248, 238, 224), dim))
    x = rng.choice((-1, 1)) * 255
    for left, top, right, bottom, colour in (
        (x - 122, -290, x + 122, 40, (250, 244, 232)),
        (x - 108, -276, x + 108, 26, None),
    ):
        if colour:
            pen.box(left, top, right, bottom, times(colour, dim))
            continue
        pen.poly([(left, top), (right, top), (right, bottom), (left, bottom)], *light.sky)
        pen.ellipse((x + 40, -190), (38, 38), light.sun)
        pen.poly(
            [(left, -20), (x - 30, -56), (x + 40, -26), (right, -50), (right, bottom), (left, bottom)],
            far((84, 140, 96), light, 0.4),
        )
    pen.box(x - 6, -280, x + 6, 30, times((250, 244, 232), dim))
    pen.box(x - 140, 36, x + 140, 54, times((236, 222, 200), dim))
    for side, colour in ((-1, (198, 96, 84)), (1, (198, 96, 84))):
        pen.poly(
            [(x + side * 150, -300), (x + side * 96, -300), (x + side * 118, 90), (x + side * 156, 90)],
            times(colour, dim),
        )
    pen.box(-x - 100, -240, -x + 100, -100, times((120, 80, 56), dim))
    pen.box(-x - 86, -226, -x + 86, -114, times((242, 226, 190), dim))
    pen.ellipse((-x - 20, -150), (44, 30), times((216, 120, 92), dim), arc=(180, 360))
    pen.ellipse((0, 330), (420, 96), times((186, 86, 80), dim))
    pen.ellipse((0, 330), (370, 76), times((222, 150, 110), dim))
    if light.lamps:
        pen.glow((-x, -60), 260, (255, 190, 100), 0.34)


PLACES: dict[str, Callable[[Pen, Light, Lots], None]] = {
    "beach": _beach,
    "forest": _forest,
    "park": _park,
    "mountain": _mountain,
    "desert": _desert,
    "snow": _snow,
    "city": _city,
    "room": _room,
}
