"""Text for the floor: its spellings as words with senses and phrases, and the kinds of evidence that they may be.

Most prompts hold no sexual word. They are known by their kinds, and scanned no further.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from imgen.domain.review.floor_disguises import guess, joined, spellings, splits_of
from imgen.domain.review.floor_evidence import CHILD, REACHES, SEXUAL, Evidence
from imgen.domain.review.floor_unspaced import scan_unspaced
from imgen.domain.review.floor_words import Phrase, Sense, Word, end_of, look_up

GARMENT, TAKEN_AWAY = "garment", "taken away"
_LISTS = {kind: frozenset(reaches) for kind, reaches in REACHES.items()} | {
    GARMENT: frozenset({"garment"}),
    TAKEN_AWAY: frozenset({"without", "take_off", "without_after"}),
}
_AGES = frozenset({"small", "numbers", "age_word", "ordinals", "grade", "birthday"})


class Token(Struct, frozen=True):
    """Word of a text, the kinds of evidence that it may be, and what it may be in disguise."""

    word: Word
    kinds: frozenset[str]
    guessed: Sense | None
    joined: tuple[Sense, ...]


class PlacedPhrase(Struct, frozen=True):
    """Phrase in a text, with its first place and the place behind it."""

    at: int
    end: int
    sense: Sense


class Spelling(Struct, frozen=True):
    """Text in one of the ways that it may be read."""

    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    phrases: tuple[PlacedPhrase, ...]
    splits: tuple[tuple[int, Sense], ...]
    kinds: frozenset[str]
    """Kinds of evidence that may be in it."""


class Spelled(Struct, frozen=True):
    """Text in each way that it may be read, first as it is written."""

    spellings: tuple[Spelling, ...]
    unspaced: tuple[Evidence, ...]
    """Evidence in Chinese, Japanese and Korean."""
    kinds: frozenset[str]
    """Kinds of evidence that may be in it."""


def spell(text: str) -> Spelled:
    """Reads a text. Linear time."""
    spelled = tuple(_spelling(words) for words in spellings(text))
    unspaced = scan_unspaced(text)
    kinds = frozenset(one.kind for one in unspaced).union(*(spelling.kinds for spelling in spelled))
    return Spelled(spelled, unspaced, kinds)


def _spelling(raw: Sequence[str]) -> Spelling:
    tokens = tuple(map(_token, raw))
    words = tuple(token.word for token in tokens)
    phrases = tuple(_phrases(words))
    splits = tuple(splits_of([word.text for word in words]))
    kinds = set[str]().union(*(token.kinds for token in tokens))
    kinds.update(kind for phrase in phrases for kind in _kinds_of(phrase.sense.tag))
    kinds.update(sense.tag for _, sense in splits)
    if {GARMENT, TAKEN_AWAY} <= kinds:
        kinds.add(SEXUAL)
    return Spelling(tokens, words, phrases, splits, frozenset(kinds))


@lru_cache(maxsize=1 << 16)
def _token(raw: str) -> Token:
    word = look_up(raw)
    guessed, parts = guess(word.text), joined(word.text)
    kinds = {kind for tag in word.tags for kind in _kinds_of(tag)}
    kinds.update(sense.tag for sense in (guessed, *parts) if sense)
    if word.text[:1].isdecimal():
        kinds.add(CHILD)  # it may be an age
    return Token(word, frozenset(kinds), guessed, parts)


@lru_cache
def _kinds_of(tag: str) -> tuple[str, ...]:
    """Returns the kinds of evidence that words of a list may be."""
    return tuple(kind for kind, listed in _LISTS.items() if tag in listed) + ((CHILD,) if tag in _AGES else ())


def _phrases(words: Sequence[Word]) -> Iterator[PlacedPhrase]:
    """Yields the phrases in a text."""
    for at, word in enumerate(words[:-1]):
        if word.following and (found := word.following.get(words[at + 1].text)):
            yield from _placed(found, words, at)
        if word.open:
            yield from _placed(word.open, words, at)


def _placed(phrases: Sequence[Phrase], words: Sequence[Word], at: int) -> Iterator[PlacedPhrase]:
    for phrase in phrases:
        if end := end_of(phrase.rest, words, at + 1):
            yield PlacedPhrase(at, end, phrase.sense)
