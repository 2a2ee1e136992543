"""Captions of scenes: shuffled tags, sentences, single words, with much left out. Draws nothing.

Prompts are short: people write two words and want a whole picture. A shape that a caption leaves out is the usual one, so that
no picture has to be guessed between two: a full figure that stands, a woman with long hair in a dress, a man with short hair in
a shirt, a character with her own cut, no hat, no cat. Colours and light are left to chance.
"""

from dataclasses import dataclass

import numpy as np

from starter import wording
from starter.scene import CHARACTERS, LOOKS, Scene

FIELDS = ("place", "time", "style", "shot", "person", "colour", "garment", "hair", "cut", "skin", "pose")
KEPT = {"place": 0.78, "time": 0.68, "person": 0.95, "outfit": 0.75, "hair": 0.6, "skin": 0.4, "style": 0.8,
        "full": 0.3, "none": 0.5, "standing": 0.3, "tree in a park": 0.6}  # fmt: skip
"""Share of captions that mention each; all else is always mentioned."""
HINTED = {"cat": 0.6, "dog": 0.3, "hat": 0.3, "no hat": 0.1}
"""Share of captions that name each by an ambiguous word: of the pictures with `gardener` two fifths show a hat, of those with
`pet` two thirds a cat, of parks without the word two fifths a tree. It takes such prompts to learn what a negative `cat`
leaves: where the prompt is as sure of a cat as the negative is, guidance finds no difference between them."""
USUAL_CUTS = {"woman": "long", "man": "short"}
USUAL_GARMENTS = {"woman": "dress", "man": "shirt"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Caption:
    """Text, and the fields it names with their values; `hat`, `glasses`, `character`, `pet` and things are fields too."""

    text: str
    told: dict[str, str]


Lots = np.random.Generator
Told = dict[str, str]


def caption(scene: Scene, rng: Lots, *, trigger: bool = False) -> Caption:
    """Draws a random caption.

    Args:
        scene: scene of the picture.
        rng: source of randomness.
        trigger: whether to name the scene's character, first, as the pipeline does.
    """
    told: Told = {}
    mood = rng.random()
    named = scene.character if trigger and scene.character in CHARACTERS else ""
    parts = _parts(scene, rng, LOOKS[named][1] if named else USUAL_CUTS[scene.person])
    if mood < 0.07 and not trigger:
        word = parts[int(rng.integers(len(parts)))] if parts else ("", {})
        return Caption(word[0], word[1])
    text = _sentence(parts, rng) if mood < 0.3 else _tags(parts, rng)
    for _, said in parts:
        told |= said
    if named:
        told["character"] = named
        text = f"{named}, {text}"
    if rng.random() < KEPT["style"]:
        tags = wording.QUALITY_TAGS[scene.style] if rng.random() < 0.7 else _pick(wording.STYLES[scene.style], rng)
        text = f"{text}, {tags}" if text else tags
        told["style"] = scene.style
    return Caption(text, told)


def unwanted(scene: Scene, rng: Lots) -> str:
    """Makes a negative prompt against this picture: the product's own negative terms, and mostly a thing that is in it."""
    taken = [*scene.things, *(["hat"] if scene.hat and scene.shot != "none" else [])]
    named = [str(rng.choice(taken))] if taken and rng.random() < 0.8 else []
    return ", ".join(filter(None, (str(rng.choice(wording.NOTHING)), *named)))


def _parts(scene: Scene, rng: Lots, own_cut: str) -> list[tuple[str, Told]]:
    """Makes the phrases of a caption in a sentence's order, each with the fields it names."""
    parts: list[tuple[str, Told]] = []

    def say(kind: str, text: str, **tells: str) -> None:
        if rng.random() < KEPT.get(kind, 1):
            parts.append((text, tells))

    if scene.shot != "none":
        _person(scene, rng, parts)
        _outfit(scene, rng, parts, own_cut)
        if scene.glasses:
            say("glasses", _pick(wording.GLASSES, rng), glasses="yes")
        if scene.hat and not any("hat" in tells for _, tells in parts):
            say("hat", _pick(wording.HATS, rng), hat="yes")
        if "umbrella" not in scene.things:
            say(scene.pose, _pick(wording.POSES[scene.pose], rng), pose=scene.pose)
        say("skin", f"{_pick(wording.SKINS[scene.skin], rng)} skin", skin=scene.skin)
    for thing in scene.things:
        pet = rng.random() < HINTED.get(thing, 0)
        kind = "tree in a park" if (thing, scene.place) == ("tree", "park") else thing
        word = _pick(wording.PETS if pet else wording.THINGS[thing], rng)
        if pet and rng.random() < 0.5:
            word = f"with {word}"
        say(kind, word, **{"pet" if pet else thing: "yes"})
    say("place", _pick(wording.PLACES[scene.place], rng), place=scene.place)
    say("time", _pick(wording.TIMES[scene.time], rng), time=scene.time)
    say(scene.shot, _pick(wording.SHOTS[scene.shot], rng), shot=scene.shot)
    return parts


def _person(scene: Scene, rng: Lots, parts: list[tuple[str, Told]]) -> None:
    lot = rng.random()
    if lot > KEPT["person"]:
        return
    if rng.random() < HINTED["hat" if scene.hat else "no hat"]:
        parts.append((_pick(wording.HATTED, rng), {"hat": "yes"} if scene.hat else {}))
    elif lot < 0.1:
        parts.append((_pick(wording.ANYBODY, rng), {}))
    else:
        parts.append((_pick(wording.PEOPLE[scene.person], rng), {"person": scene.person}))


def _outfit(scene: Scene, rng: Lots, parts: list[tuple[str, Told]], own_cut: str) -> None:
    """Describes hair and clothes; each colour stays beside its noun. `own_cut` is never mentioned."""
    usual_cut = scene.cut == own_cut
    if not usual_cut or rng.random() < KEPT["hair"]:
        hair, cut = _pick(wording.HAIRS[scene.hair], rng), _pick(wording.CUTS[scene.cut], rng)
        lot = rng.random()
        if usual_cut and lot < 0.6:
            parts.append((f"{hair} hair", {"hair": scene.hair}))
        elif lot < 0.25:
            parts.append((f"{cut} hair" if scene.cut != "bun" else f"hair in a {cut}", {"cut": scene.cut}))
        else:
            both = f"{hair} hair in a {cut}" if scene.cut == "bun" else f"{cut} {hair} hair"
            parts.append((both, {"hair": scene.hair, "cut": scene.cut}))
    usual_garment = scene.garment == USUAL_GARMENTS[scene.person]
    if not usual_garment or rng.random() < KEPT["outfit"]:
        dye, garment = _pick(wording.DYES[scene.colour], rng), _pick(wording.CLOTHES[scene.garment], rng)
        lot = rng.random()
        if lot < 0.12:
            parts.append((garment, {"garment": scene.garment}))
        elif usual_garment and lot < 0.4:
            form = ("dressed in {}", "{} clothes", "{} outfit")[int(rng.integers(3))]
            parts.append((form.format(dye), {"colour": scene.colour}))
        else:
            form = ("{} {}", "{} {}", "wearing a {} {}", "in a {} {}", "{} {}")[int(rng.integers(5))]
            parts.append((form.format(dye, garment), {"colour": scene.colour, "garment": scene.garment}))


def _tags(parts: list[tuple[str, Told]], rng: Lots) -> str:
    words = [text for text, _ in parts]
    if rng.random() < 0.7:
        rng.shuffle(words)
    for _ in range(int(rng.choice(4, p=(0.6, 0.2, 0.12, 0.08)))):
        words.insert(int(rng.integers(len(words) + 1)), _filler(rng))
    return ", ".join(words)


def _sentence(parts: list[tuple[str, Told]], rng: Lots) -> str:
    """Joins the parts in order by small words; the grammar is crude."""
    text = ("", "", "a photo of ", "picture of ", "there is ")[int(rng.integers(5))]
    for number, (part, _) in enumerate(parts):
        joint = (" ", " with ", " and ", " ")[int(rng.integers(4))] if number else ""
        text += joint + part
        if rng.random() < 0.06:
            text += f" {_filler(rng)}"
    return text.strip()


def _filler(rng: Lots) -> str:
    """Draws words without meaning for the picture: known ones, terms of negative prompts, now and then random letters."""
    lot = rng.random()
    if lot < 0.7:
        return _pick(wording.SAYING_NOTHING, rng)
    if lot < 0.82:
        return _pick(wording.UNWANTED, rng)
    return "".join(_LETTERS[int(rng.integers(26))] for _ in range(int(rng.integers(3, 10))))


def _pick(row: tuple[str, ...], rng: Lots) -> str:
    """Chooses a word: the plain one in two of five cases."""
    return row[0] if rng.random() < 0.4 else row[int(rng.integers(len(row)))]
