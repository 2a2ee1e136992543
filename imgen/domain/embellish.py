"""The embedded enhancer: adds what a prompt leaves unsaid, from the style's hints and the word lists. No model, no chance.

The caller's terms stay first and untouched. An aspect that is spoken of already (its light, its place) is left alone, so
nothing is contradicted. The same prompt gets the same words, and what was embellished once is not embellished again.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from imgen.domain.folding import fold
from imgen.domain.wordlists import Aspect, Wordlists

MAX_CHARS = 300
"""CLIP reads 77 tokens, about this many characters; what comes after is not seen."""


def embellish(positive: tuple[str, ...], style_hints: str, words: Wordlists) -> tuple[str, ...]:
    """The terms, and behind them what is missing; the same tuple where there is nothing to improve.

    Hints are comma-separated. They are taken before the lists; one that speaks of an aspect which the prompt speaks of
    already is passed over. A prompt in another script than Latin is returned as it is: the lists cannot read it.

    Terms are added one at a time until none fits, each chosen by a hash of the prompt so far. So the result is a fixed
    point: given back as the prompt, it stays as it is.
    """
    terms = positive
    while (added := _missing(terms, style_hints, words)) is not None:
        terms = (*terms, added)
    return terms


def _missing(terms: tuple[str, ...], style_hints: str, words: Wordlists) -> str | None:
    """The next term to add, or None."""
    text = ", ".join(terms)
    folded = fold(text)
    if not folded.isascii():
        return None
    room = MAX_CHARS - len(text) - len(", ")
    fitting = (
        phrase
        for phrase in _suggestions(text, folded, style_hints, words)
        if len(phrase) <= room and fold(phrase) not in folded
    )
    return next(fitting, None)


def _suggestions(text: str, folded: str, style_hints: str, words: Wordlists) -> Iterator[str]:
    unsaid = [aspect for aspect in words.aspects if not _speaks_of(folded, aspect, words)]
    said = [aspect for aspect in words.aspects if aspect not in unsaid]
    for hint in filter(None, map(str.strip, style_hints.split(","))):
        if not any(_speaks_of(fold(hint), aspect, words) for aspect in said):
            yield hint
    for aspect in unsaid:
        if not aspect.needs or _has_any(folded, aspect.needs):
            phrases: tuple[str, ...] = getattr(words, aspect.list)
            seed = hashlib.blake2b(f"{aspect.list}\n{text}".encode("utf-8", "replace"), digest_size=8).digest()
            yield phrases[int.from_bytes(seed) % len(phrases)]


def _speaks_of(folded: str, aspect: Aspect, words: Wordlists) -> bool:
    return _has_any(folded, aspect.signs) or _has_any(folded, getattr(words, aspect.list))


def _has_any(folded: str, phrases: tuple[str, ...]) -> bool:
    return any(_folded_once(phrase) in folded for phrase in phrases)


@lru_cache(maxsize=4096)
def _folded_once(phrase: str) -> str:
    """The lists' phrases, folded: the same thousand at every call."""
    return fold(phrase)
