"""Word lists of config/prompts/words.toml, and random prompts drawn from them. Reads no file."""

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
    """Aspect of a picture that a prompt may cover, such as its light, and the words that show that it does."""

    list: Literal["places", "lights", "moods", "compositions", "details"]
    """List to choose a phrase from if the prompt leaves the aspect open."""
    signs: tuple[str, ...]
    """Words and phrases that cover the aspect, besides those of its list."""
    needs: tuple[str, ...] = ()
    """If given, one of these must be in the prompt: a place suits a person, but a landscape is one already."""


class Wordlists(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Phrases by subject. Adults only, safe for work."""

    subjects: Phrases
    """Adults, with article."""
    scenes: Phrases
    """Landscapes and still lifes, complete without a person."""
    outfits: Phrases
    places: Phrases
    """With preposition."""
    times: Phrases
    """With preposition, to follow a place or a scene."""
    lights: Phrases
    moods: Phrases
    compositions: Phrases
    details: Phrases
    """Properties of the picture as a whole."""
    objects: Phrases
    """Things that a person carries or has beside them, with preposition."""
    aspects: tuple[Aspect, ...]
    """Order in which their phrases are added."""


def parse_wordlists(document: Mapping[str, object]) -> Wordlists:
    """Builds the lists from a parsed TOML document.

    Raises:
        msgspec.ValidationError: a list is missing, unknown, empty or of the wrong type; the message names its path.
    """
    return msgspec.convert(document, Wordlists)


def random_prompt(words: Wordlists, rng: random.Random, character: str) -> str:
    """Draws a prompt such as `@aya red coat, on a beach at dusk, warm lighting`; without a character, a person or a landscape."""
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
