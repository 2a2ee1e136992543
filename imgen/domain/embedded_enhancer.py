"""Built-in prompt enhancer: appends what the prompt leaves open, from the style's hints and the word lists. Uses no model.

Deterministic: the same prompt gets the same terms. The caller's terms stay first and unchanged. An aspect that the prompt
covers already (light, place) gets no further term, so nothing is contradicted. Expanding a result again changes nothing.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from imgen.domain.folding import fold
from imgen.domain.wordlists import Aspect, Wordlists

MAX_CHARS = 300
"""CLIP reads 77 tokens, about this many characters, and ignores the rest."""


def expand(positive: tuple[str, ...], style_hints: str, words: Wordlists) -> tuple[str, ...]:
    """Returns the terms followed by those that are missing; the same tuple if there are none.

    Hints are comma-separated and come before the lists; a hint about an aspect that the prompt covers is skipped. A prompt in
    another script than Latin is returned unchanged, because the lists have no words of it.

    Terms are added one at a time until none fits, each chosen by a hash of the prompt so far. So the result is a fixed
    point of this function.
    """
    terms = positive
    while (added := _missing(terms, style_hints, words)) is not None:
        terms = (*terms, added)
    return terms


def _missing(terms: tuple[str, ...], style_hints: str, words: Wordlists) -> str | None:
    """Returns the next term to add, or None."""
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
    """Yields hints, then a phrase for each open aspect."""
    open_aspects = [aspect for aspect in words.aspects if not _covers(folded, aspect, words)]
    covered = [aspect for aspect in words.aspects if aspect not in open_aspects]
    for hint in filter(None, map(str.strip, style_hints.split(","))):
        if not any(_covers(fold(hint), aspect, words) for aspect in covered):
            yield hint
    for aspect in open_aspects:
        if not aspect.needs or _has_any(folded, aspect.needs):
            phrases: tuple[str, ...] = getattr(words, aspect.list)
            seed = hashlib.blake2b(f"{aspect.list}\n{text}".encode("utf-8", "replace"), digest_size=8).digest()
            yield phrases[int.from_bytes(seed) % len(phrases)]


def _covers(folded: str, aspect: Aspect, words: Wordlists) -> bool:
    return _has_any(folded, aspect.signs) or _has_any(folded, getattr(words, aspect.list))


def _has_any(folded: str, phrases: tuple[str, ...]) -> bool:
    return any(_folded(phrase) in folded for phrase in phrases)


@lru_cache(maxsize=4096)
def _folded(phrase: str) -> str:
    """Folds a phrase of the lists, once: each call asks for the same thousand."""
    return fold(phrase)
