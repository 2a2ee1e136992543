"""Words of the floor: tables by language in words/*.toml, read once, and the senses that a word of a text has in them.

All languages are looked up in any text. Keys of a table, each a list of terms between commas:

- `child` and `sexual`: words that stand alone for a child, for sex or for nudity. `bare`: the like, but said of things as well.
- `child_near`, `sexual_near`, `bare_near`: words with another sense, too; they count near a word of the same language only.
- `kin`: children of a family. `person`: girls, sisters and others of any age; with a word of `small` beside it a child.
- `garment`, `without`, `without_after`, `take_off`: clothes, and the words that take them away.
- `thing` and `goods`: head nouns that are no person, of nature and of trade; `for`: joins goods and children, "a book for kids".
- `young`: words for a child that are said of animals and plants, too. `link`: words that end a noun phrase.
- `tree`: things that are called naked beside a child as well. `_own` at the end of a key: only with a word of the same language.
- `numbers` (1 to 17, in order), `ordinals` (likewise), `tens`, `years`, `year`, `old`, `age`, `grade`, `birthday`, `not_age`.
- `alone`, `adult`, `denial`: see floor.py. `dressed`, `plain`: see floor_undress.py. `core`, `not_core`: see floor_disguises.py.
- `harmless`: words and phrases that contain a word of another list.

A term is one or more words; `*` at the end of a word allows any ending, `~` between two words up to two others, `=` before a term
keeps its accents (Danish nøgen is naked, nogen is somebody), `/` in `numbers` and `ordinals` separates forms of the same number.
"""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from msgspec import Struct

from imgen.domain.folding import STOP, fold

ANY = "*"
"""Language of what belongs to none: digits and emoji."""
_ARABIC_PREFIXES = tuple(
    fold(prefix).strip() for prefix in ("وال", "بال", "فال", "كال", "ال", "لل", "و", "ب", "ل", "ف")
)
_MIN_ARABIC_STEM = 3
_SHORTEST_STEM, _LONGEST_STEM = 2, 24
_GAP = 2
"""Words that a `~` stands for at most."""
LANGUAGES_WITHOUT_SPACES = ("zh", "ja", "ko")
_IN_LATIN = "_in_latin"
"""End of the keys of their transliterated terms."""


class Sense(Struct, frozen=True):
    """Sense of a word or phrase: the list that holds it, its language, and for numbers the value."""

    tag: str
    language: str
    value: int = 0


class Phrase(Struct, frozen=True):
    """Words behind the first of a phrase; `*` at an end allows any ending, `~` is a gap of up to two words."""

    rest: tuple[str, ...]
    sense: Sense


class Word(Struct, frozen=True):
    """Word of a text with all its senses, and the phrases that may begin with it."""

    text: str
    senses: tuple[Sense, ...]
    tags: dict[str, frozenset[str]]
    """Languages by tag."""
    following: dict[str, tuple[Phrase, ...]]
    """Phrases by their second word."""
    open: tuple[Phrase, ...]
    """Phrases whose second word has any ending, or stands further away."""


class Lexicon(Struct, frozen=True):
    """Terms of all languages, by their first word: whole words, and stems that take any ending."""

    words: dict[str, list[Sense]]
    stems: dict[str, list[Sense]]
    phrases: dict[str, list[Phrase]]
    stem_phrases: dict[str, list[Phrase]]


@cache
def tables() -> dict[str, dict[str, Any]]:
    """Returns the tables by language, as they are in the files."""
    folder = resources.files("imgen.domain.review") / "words"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in files}


def terms(language: str, key: str) -> tuple[str, ...]:
    """Returns a list of a language's table; empty: it has none."""
    return tuple(" ".join(term.split()) for term in tables()[language].get(key, "").split(",") if term.strip())


def patterns(language: str, key: str) -> tuple[str, ...]:
    """Returns a list of regular expressions of a language's table."""
    return tuple(tables()[language].get(key, ()))


@cache
def lexicon() -> Lexicon:
    """Returns the terms of the languages that put spaces between words."""
    found = Lexicon(words={}, stems={}, phrases={}, stem_phrases={})
    for language in tables().keys() - {"emoji"}:
        for term, sense in _senses_of(language):
            _add(found, term, sense)
    return found


def _senses_of(language: str) -> Iterator[tuple[str, Sense]]:
    """Yields the terms of a language with their senses."""
    numbers: list[str] = []
    for key in tables()[language]:
        if language in LANGUAGES_WITHOUT_SPACES and not key.endswith(_IN_LATIN):
            continue
        for at, entry in enumerate(terms(language, key)):
            forms = entry.split("/") if key in ("numbers", "ordinals") else (entry,)
            value = at + 1 if key in ("numbers", "ordinals") else 0
            for form in forms:
                yield form, Sense(key.removesuffix(_IN_LATIN), language, value)
            if key == "numbers":
                numbers.append(entry)
    for at, entry in enumerate(numbers):
        for form in entry.split("/"):
            for suffix in terms(language, "compound"):
                yield f"{form}{suffix}", Sense("age_word", language, at + 1)


def _add(found: Lexicon, term: str, sense: Sense) -> None:
    keeps_accents = term.startswith("=")
    parts = [_element(part, keeps_accents=keeps_accents) for part in term.removeprefix("=").split()]
    first, rest = parts[0], tuple(parts[1:])
    stem = first.removesuffix("*")
    assert not first.endswith("*") or _SHORTEST_STEM <= len(stem) <= _LONGEST_STEM, term
    if not rest:
        (found.stems if first.endswith("*") else found.words).setdefault(stem, []).append(sense)
        return
    (found.stem_phrases if first.endswith("*") else found.phrases).setdefault(stem, []).append(Phrase(rest, sense))
    if "~" not in rest and not first.endswith("*") and len("".join(parts)) > 5:  # noqa: PLR2004 - shorter ones are other words
        _add(found, "".join(parts), sense)  # the space may be missing


def _element(part: str, *, keeps_accents: bool) -> str:
    """Folds a word of a term; keeps the signs that are no letters of it."""
    if part == "~":
        return part
    word = part.removesuffix("*")
    return (word.casefold() if keeps_accents else fold(word).replace(" ", "")) + ("*" if part.endswith("*") else "")


@lru_cache(maxsize=1 << 16)
def look_up(raw: str) -> Word:
    """Returns a word of a text, in lower case with or without its accents, with its senses."""
    if raw == STOP:
        return Word(text=STOP, senses=(), tags={}, following={}, open=())
    found, folded = lexicon(), fold(raw).strip()
    senses: list[Sense] = []
    phrases: list[Phrase] = []
    for form in dict.fromkeys((folded, raw, *_without_prefix(folded))):
        senses += found.words.get(form, ())
        phrases += found.phrases.get(form, ())
        for size in range(_SHORTEST_STEM, min(len(form), _LONGEST_STEM) + 1):
            senses += found.stems.get(form[:size], ())
            phrases += found.stem_phrases.get(form[:size], ())
    tags: dict[str, frozenset[str]] = {}
    for sense in senses:
        tags[sense.tag] = tags.get(sense.tag, frozenset()) | {sense.language}
    following: dict[str, tuple[Phrase, ...]] = {}
    for phrase in phrases:
        following[phrase.rest[0]] = (*following.get(phrase.rest[0], ()), phrase)
    is_open = [second for second in following if second == "~" or second.endswith("*")]
    opened = tuple(phrase for second in is_open for phrase in following.pop(second))
    return Word(text=folded, senses=tuple(senses), tags=tags, following=following, open=opened)


def end_of(rest: Sequence[str], words: Sequence[Word], at: int) -> int:
    """Returns the place behind a phrase whose further words are sought from `at`; 0: it is not there."""
    gap = 0
    for part in rest:
        if part == "~":
            gap = _GAP
            continue
        for place in range(at, min(at + gap + 1, len(words))):
            text = words[place].text
            if text == STOP:
                return 0
            if text == part or (part.endswith("*") and text.startswith(part[:-1])):
                at = place + 1
                break
        else:
            return 0
        gap = 0
    return at


def _without_prefix(word: str) -> Iterator[str]:
    """Yields an Arabic word without its article and what is written together with it."""
    for prefix in _ARABIC_PREFIXES:
        if word.startswith(prefix) and len(word) >= len(prefix) + _MIN_ARABIC_STEM:
            yield word.removeprefix(prefix)
