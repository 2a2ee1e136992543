"""Scenes of training pictures: their attributes, and random scenes. Draws no pixels and has no words for them."""

from dataclasses import dataclass

import numpy as np

PLACES = ("beach", "forest", "park", "mountain", "desert", "snow", "city", "room")
TIMES = ("morning", "day", "sunset", "night")
STYLES = ("professional", "cinematic")
SHOTS = ("full", "portrait", "none")
PEOPLE = ("woman", "man")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
GARMENTS = ("coat", "dress", "suit", "shirt")
HAIRS = ("black", "brown", "blond", "red", "grey", "pink", "blue")
CUTS = ("long", "short", "curly", "bun")
SKINS = ("pale", "tan", "brown", "dark")
POSES = ("standing", "walking", "waving", "confident")
THINGS = ("cat", "dog", "tree", "lamp", "bench", "bicycle", "balloon", "umbrella")
TALL_THINGS = ("cat", "dog", "tree", "lamp", "balloon", "umbrella")
"""Things that are visible beside a portrait."""
CHARACTERS = ("aaliyah", "aya", "bella")
LOOKS = {"aaliyah": ("black", "curly"), "aya": ("red", "short"), "bella": ("blond", "long")}
"""Hair and cut of each character; the hair's colour is that of `config/characters.toml`."""

SIZES = ((1344, 768), (768, 1344), (1024, 1024), (1216, 832), (832, 1216), (1152, 896), (896, 1152))
"""(width, height) in pixels: the seven that the wire contract allows."""


@dataclass(frozen=True)
class Scene:
    """Content of one picture. Fields hold words of the tables above; figure fields count only with a figure."""

    place: str
    time: str
    style: str
    shot: str
    person: str = "woman"
    colour: str = "red"
    garment: str = "coat"
    hair: str = "brown"
    cut: str = "long"
    skin: str = "tan"
    pose: str = "standing"
    glasses: bool = False
    hat: bool = False
    things: tuple[str, ...] = ()
    character: str = ""


def held_out(scene: Scene) -> bool:
    """Returns whether this pair of hair and outfit colour is held out of the denoiser's training: 7 of the 56 pairs."""
    return COLOURS.index(scene.colour) == HAIRS.index(scene.hair)


def draw_lots(rng: np.random.Generator, **fixed: object) -> Scene:
    """Draws a scene whose attributes are independent, except for usual pairs (parks have trees, say).

    Args:
        rng: source of randomness.
        fixed: fields that are given.
    """
    shot = str(fixed.get("shot") or rng.choice(SHOTS, p=(0.5, 0.37, 0.13)))
    place = str(fixed.get("place") or rng.choice(PLACES))
    person = str(fixed.get("person") or rng.choice(PEOPLE))
    garments = GARMENTS if person == "woman" else ("coat", "coat", "suit", "shirt")
    fields: dict[str, object] = {
        "place": place,
        "time": str(rng.choice(TIMES)),
        "style": str(rng.choice(STYLES, p=(0.62, 0.38))),
        "shot": shot,
        "person": person,
        "colour": str(rng.choice(COLOURS)),
        "garment": str(rng.choice(garments)),
        "hair": str(rng.choice(HAIRS)),
        "cut": str(rng.choice(CUTS if person == "woman" else ("short", "short", "curly"))),
        "skin": str(rng.choice(SKINS)),
        "pose": str(rng.choice(POSES)),
        "glasses": bool(rng.random() < 0.15),
        "hat": bool(rng.random() < 0.2),
        "things": _things(rng, shot, place),
    }
    return Scene(**{**fields, **fixed})  # type: ignore[arg-type]


def _things(rng: np.random.Generator, shot: str, place: str) -> tuple[str, ...]:
    """Draws no, one or two things; a park has a tree more often than not."""
    choice = TALL_THINGS if shot == "portrait" else THINGS
    count = int(rng.choice(3, p=(0.3, 0.55, 0.15)))
    chosen = [str(thing) for thing in rng.choice(choice, count, replace=False)]
    if place == "park" and "tree" not in chosen and rng.random() < 0.6:
        chosen = [*chosen[:1], "tree"]
    return tuple(sorted(chosen))
