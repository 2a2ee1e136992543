"""The word lists of config/prompts/words.toml, and random prompts drawn from them. Reads no file."""

import random
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Phrases = Annotated[tuple[Annotated[str, Meta(min_length=1, pattern=r"^[^,@\s-][^,@]*$")], ...], Meta(min_length=1)]
"""Prompt terms: no commas, no names, no leading dash."""

SCENE_SHARE = 0.3
"""Share of random prompts without a character that show a landscape instead of a person."""


class Aspect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a prompt can say about its picture, and how to see that it says it already."""

    list: Literal["places", "lights", "moods", "compositions", "details"]
    """The list to choose from where it says nothing."""
    signs: tuple[str, ...]
    """Words and phrases that speak of this aspect."""
    needs: tuple[str, ...] = ()
    """Where given, one of these must be in the prompt: a place suits a person, not a landscape that is one."""


class Wordlists(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Phrases by what they are about. Adults only, safe for work."""

    subjects: Phrases
    """Grown people, with article."""
    scenes: Phrases
    """Landscapes and still lifes, complete without a person."""
    outfits: Phrases
    places: Phrases
    """With preposition."""
    times: Phrases
    """With preposition; they follow a place or a scene."""
    lights: Phrases
    moods: Phrases
    compositions: Phrases
    details: Phrases
    """About the picture as a whole."""
    objects: Phrases
    """What somebody has with them, with preposition."""
    aspects: tuple[Aspect, ...]
    """In the order in which they are added."""


def parse_wordlists(document: Mapping[str, object]) -> Wordlists:
    """Builds the lists from a parsed TOML document.

    Raises:
        msgspec.ValidationError: a list is missing, unknown, empty or of the wrong type; the message names its path.
    """
    return msgspec.convert(document, Wordlists)


def random_prompt(words: Wordlists, rng: random.Random, character: str) -> str:
    """Such as `@aya red coat, on a beach at dusk, warm lighting`; an empty character: a person or a landscape."""
    if not character and rng.random() < SCENE_SHARE:
        terms = [f"{rng.choice(words.scenes)} {rng.choice(words.times)}"]
    else:
        outfit = rng.choice(words.outfits)
        terms = [f"@{character} {outfit}"] if character else [rng.choice(words.subjects), outfit]
        if rng.random() < 1 / 3:
            terms.append(rng.choice(words.objects))
        terms.append(f"{rng.choice(words.places)} {rng.choice(words.times)}")
    terms.append(rng.choice(words.lights))
    if rng.random() < 1 / 2:
        terms.append(rng.choice(words.moods))
    return ", ".join(terms)
