"""Product shots drawn by code before plain grounds, with the truth of where the product is."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 560, 420
SUPERSAMPLED = 3
Draw = Callable[[ImageDraw.ImageDraw], None]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Picture file with the truth."""

    body: bytes
    truth: np.ndarray
    """(height, width), true where the product is."""


def shot(
    product: Draw, *, ground: np.ndarray, colours: "np.ndarray | tuple", shadow: float = 0.0, noise: float = 0.0,
    opacity: float = 1.0, file_format: str = "PNG", quality: int = 95, transparent: bool = False,
) -> Shot:  # fmt: skip
    """Draws a product, antialiased, before a ground, with a soft shadow below it.

    Args:
        product: draws its shape in white on black, in a picture SUPERSAMPLED times as large.
        ground: (height, width, 3).
        colours: of the product, one or (height, width, 3).
        shadow: darkness of its shadow, 0-1.
        noise: standard deviation.
        opacity: of the product, whose outline is opaque.
        file_format: of the file.
        quality: of a JPEG.
        transparent: whether the file has the shape as its transparency, and no ground.
    """
    large = Image.new("L", (WIDTH * SUPERSAMPLED, HEIGHT * SUPERSAMPLED))
    product(ImageDraw.Draw(large))
    shape = large.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    cover = np.asarray(shape, np.float32)[..., None] / 255
    rng = np.random.default_rng(7)
    ground = ground.astype(np.float32)
    if shadow:
        cast = shape.transform(shape.size, Image.Transform.AFFINE, (1, 0, -14, 0, 1, -18)).filter(
            ImageFilter.GaussianBlur(14)
        )
        ground = ground * (1 - shadow * np.asarray(cast, np.float32)[..., None] / 255)
    shaded = np.broadcast_to(np.asarray(colours, np.float32), (HEIGHT, WIDTH, 3))
    if opacity < 1:
        outline = np.asarray(shape.filter(ImageFilter.MinFilter(5)), np.float32)[..., None] / 255
        inside = opacity * outline + (1 - outline)
        shaded = ground * (1 - inside) + shaded * inside
    pixels = ground * (1 - cover) + shaded * cover
    pixels = np.clip(np.rint(pixels + rng.normal(0, noise, pixels.shape)), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    if transparent:
        image = Image.fromarray(
            np.dstack([np.broadcast_to(np.rint(shaded), pixels.shape).astype(np.uint8), np.asarray(shape)])
        )
    file = io.BytesIO()
    image.save(file, file_format, quality=quality)
    return Shot(body=file.getvalue(), truth=np.asarray(shape) >= 128)


def flat(*colour):
    """A ground, or a product, of one colour."""
    return np.broadcast_to(np.array(colour, np.float32), (HEIGHT, WIDTH, 3))


def across(start, end, *, axis=0):
    """Colours that change from one side to the other."""
    line = np.linspace(0, 1, HEIGHT if axis == 0 else WIDTH)
    share = (line[:, None] if axis == 0 else line[None])[..., None]
    return np.broadcast_to(np.array(start) * (1 - share) + np.array(end) * share, (HEIGHT, WIDTH, 3))


def vignette(middle, corner):
    """Colours that change from the middle to the corners."""
    down, right = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    share = ((down**2 + right**2) / 2)[..., None]
    return np.array(middle) * (1 - share) + np.array(corner) * share


def _scaled(*values):
    return [value * SUPERSAMPLED for value in values]


def mug(draw):
    """A cup with a handle, through which the ground is seen."""
    draw.rounded_rectangle(_scaled(170, 110, 340, 330), 60, fill=255)
    draw.ellipse(_scaled(300, 150, 420, 290), fill=255)
    draw.ellipse(_scaled(335, 180, 395, 260), fill=0)
    draw.rectangle(_scaled(200, 130, 334, 310), fill=255)


def bottle(draw):
    """A body and a narrow neck."""
    draw.rounded_rectangle(_scaled(215, 160, 345, 390), 90, fill=255)
    draw.rectangle(_scaled(262, 60, 298, 200), fill=255)


def box_shape(draw):
    """A package in perspective."""
    draw.polygon(_scaled(140, 150, 330, 110, 430, 170, 420, 330, 230, 370, 150, 300), fill=255)


def shoe(draw):
    """A long, low body."""
    draw.pieslice(_scaled(120, 140, 320, 380), 180, 360, fill=255)
    draw.rounded_rectangle(_scaled(120, 250, 450, 320), 90, fill=255)


def ring(draw):
    """A body around a hole."""
    draw.ellipse(_scaled(150, 80, 410, 340), fill=255)
    draw.ellipse(_scaled(195, 125, 365, 295), fill=0)


def chair(draw):
    """Thin legs, and bars with ground between them."""
    draw.rectangle(_scaled(180, 200, 380, 222), fill=255)
    for x in (184, 370):
        draw.rectangle(_scaled(x, 60, x + 7, 380), fill=255)
    for x in (225, 265, 305, 340):
        draw.rectangle(_scaled(x, 70, x + 5, 200), fill=255)
    draw.rectangle(_scaled(184, 60, 377, 72), fill=255)


def glasses(draw):
    """Two rims of wire and a bridge."""
    for x in (110, 310):
        draw.ellipse(_scaled(x, 140, x + 150, 280), outline=255, width=8 * SUPERSAMPLED)
    draw.rectangle(_scaled(256, 196, 316, 204), fill=255)


def duck(draw):
    """Rounded parts."""
    draw.ellipse(_scaled(160, 190, 400, 360), fill=255)
    draw.ellipse(_scaled(300, 90, 420, 220), fill=255)
    draw.polygon(_scaled(410, 150, 470, 165, 410, 180), fill=255)


def lamp(draw):
    """A body that leaves the picture below."""
    draw.polygon(_scaled(210, 70, 350, 70, 420, 220, 140, 220), fill=255)
    draw.rectangle(_scaled(270, 220, 290, 420), fill=255)


def pair(draw):
    """Two bodies with a gap."""
    draw.rounded_rectangle(_scaled(120, 120, 265, 340), 40, fill=255)
    draw.ellipse(_scaled(300, 150, 460, 330), fill=255)


WHITE, PAPER, GREY = flat(255, 255, 255), flat(247, 246, 244), flat(205, 205, 205)
PLAIN: dict[str, Callable[[], Shot]] = {
    "mug on white": lambda: shot(mug, ground=WHITE, colours=(190, 40, 35)),
    "bottle on a grey gradient": lambda: shot(bottle, ground=across((235, 235, 235), (170, 170, 172)), colours=(30, 90, 60)),
    "box on a vignette": lambda: shot(box_shape, ground=vignette((240, 240, 240), (180, 180, 180)), colours=(180, 140, 90)),
    "shoe with a soft shadow": lambda: shot(shoe, ground=WHITE, colours=(40, 60, 140), shadow=0.35),
    "shoe with a dark shadow": lambda: shot(shoe, ground=GREY, colours=(150, 30, 60), shadow=0.55),
    "mug in a rough JPEG": lambda: shot(mug, ground=PAPER, colours=(40, 110, 160), file_format="JPEG", quality=45),
    "bottle in noise": lambda: shot(bottle, ground=GREY, colours=(60, 40, 120), noise=7),
    "transparent ring": lambda: shot(ring, ground=WHITE, colours=(200, 160, 40), transparent=True),
    "transparent white mug": lambda: shot(mug, ground=WHITE, colours=(252, 252, 252), transparent=True),
    "white bottle on paper": lambda: shot(bottle, ground=PAPER, colours=across((236, 236, 236), (222, 222, 224), axis=1)),
    "white box with a shadow": lambda: shot(box_shape, ground=WHITE, colours=across((238, 238, 238), (212, 214, 216), axis=1), shadow=0.12),
    "ring on grey": lambda: shot(ring, ground=GREY, colours=across((230, 190, 90), (140, 100, 30))),
    "chair with thin legs": lambda: shot(chair, ground=WHITE, colours=(90, 60, 40)),
    "glasses of wire": lambda: shot(glasses, ground=PAPER, colours=(30, 30, 30)),
    "glass-like bottle": lambda: shot(bottle, ground=across((225, 228, 230), (200, 204, 208)), colours=(90, 130, 120), opacity=0.35),
    "dark box on a dark ground": lambda: shot(box_shape, ground=flat(28, 30, 36), colours=(64, 62, 60), noise=2),
    "duck on pastel blue": lambda: shot(duck, ground=across((190, 215, 235), (165, 195, 222), axis=1), colours=(240, 200, 40)),
    "lamp that leaves the picture": lambda: shot(lamp, ground=PAPER, colours=(200, 90, 40)),
    "pair on a gradient, JPEG": lambda: shot(
        pair, ground=across((220, 220, 222), (240, 240, 238), axis=1), colours=(120, 120, 124), shadow=0.25, file_format="JPEG",
        quality=70,
    ),
    "grey shoe on grey in noise": lambda: shot(shoe, ground=GREY, colours=across((150, 150, 152), (110, 112, 116)), noise=4, shadow=0.2),
}  # fmt: skip


def room():
    """A wall and a floor."""
    pixels = np.array(flat(225, 220, 210))
    pixels[280:] = (140, 100, 70)
    return pixels


def meadow():
    """A sky over grass with texture."""
    rng = np.random.default_rng(1)
    pixels = np.array(across((120, 170, 230), (200, 225, 245)))
    pixels[240:] = np.array((70, 120, 50)) + rng.normal(0, 25, (HEIGHT - 240, WIDTH, 1))
    return pixels


def stripes():
    """A striped wall."""
    pixels = np.array(flat(235, 235, 235))
    pixels[:, (np.arange(WIDTH) // 20) % 2 == 0] = (90, 120, 160)
    return pixels


def leaves():
    """Blots of many colours."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(20, 230, (HEIGHT // 14, WIDTH // 14, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)


def window_light():
    """A wall with a hard-edged patch of light across it."""
    pixels = np.array(flat(150, 145, 140))
    for row in range(HEIGHT):
        pixels[row, max(0, 300 - row) : max(0, 480 - row)] = (235, 228, 215)
        pixels[row, max(0, 620 - row) : max(0, 800 - row)] = (235, 228, 215)
    return pixels


NOT_PLAIN: dict[str, Callable[[], Shot]] = {
    "room": lambda: shot(mug, ground=room(), colours=(190, 40, 35)),
    "meadow": lambda: shot(duck, ground=meadow(), colours=(240, 200, 40)),
    "stripes": lambda: shot(bottle, ground=stripes(), colours=(30, 90, 60)),
    "leaves": lambda: shot(shoe, ground=leaves(), colours=(40, 60, 140), file_format="JPEG", quality=80),
    "window light": lambda: shot(box_shape, ground=window_light(), colours=(180, 140, 90)),
}
