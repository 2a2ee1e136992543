"""Disguises that the floor undoes beside those of folding.py: emoji, brackets, stars; words joined, split or misspelled.

What this file finds in a misspelled or split word is a guess: it counts near a plain word of English only, see floor_scan.py.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby, pairwise

from imgen.domain.folding import fold, readings, words_and_stops
from imgen.domain.review.floor_words import ANY, Sense, look_up, tables, terms

_DASHED = re.compile(r"(?<![\w)])[-–−]{1,2}(?=[^\W\d_])")
"""Minus before a word, in the middle of a term: "on a beach -clothes" is drawn as a whole, and asks for no clothes."""
_AGE_IN_BRACKETS = re.compile(r"[(\[{]\s*(\d{1,2})\s*[)\]}]")
_ELISION = re.compile(r"(?<!\w)(l|d|qu|n|s|j|m|t|c|un|dell|all|nell|sull|dall|quell|bell)['’](?=\w)", re.IGNORECASE)
"""Elided article or pronoun of French and Italian, which is a word of its own: "l'œil nu"."""
_THOUSANDS = re.compile(r"(?<=\d)[,.]\s?(?=\d{3}\s*(?:,|years?\b|\Z))")
_IN_WORD = re.compile(r"(?<=[^\W\d_])[()\[\]{}<>]+(?=[^\W\d_])")
_STARRED = re.compile(r"(?<![\w*])(?:[*#×•█]{1,4})?[^\W\d_]{1,16}(?:[*#×•█]{1,4}[^\W\d_]{0,16}){0,4}(?!\w)")
_STARS = re.compile(r"[*#×•█]")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")
_MIN_LETTERS = 4
_MAX_JOINED = 24
_SHORTEST = {"child": 3, "sexual": 3}
_SAFE_ALONE = frozenset({"sex", "kid", "boy", "kids", "boys", "teen", "baby", "loli", "nude", "porn"})


def spellings(text: str) -> tuple[tuple[str, ...], ...]:
    """Returns the words of a text in each way that it may be read, first as it is written. Linear time."""
    shown = _ELISION.sub(r"\1 ", _THOUSANDS.sub("", _write_emoji(_SKIN.sub("", text))))
    shown = _AGE_IN_BRACKETS.sub(r" bracketedage \1 ", _DASHED.sub(" without ", shown))
    texts = dict.fromkeys(
        (shown, _STARRED.sub(_fill_stars, shown) if _STARS.search(shown) else shown, _IN_WORD.sub("", shown))
    )
    found: dict[tuple[str, ...], None] = {}
    for written in texts:
        folded = [tuple(reading.split()) for reading in readings(written, keeps_stops=True)]
        if not written.isascii():
            folded[0] = words_and_stops(written)  # its words are looked up with their accents and without
        found |= dict.fromkeys(folded)
    return tuple(words for words in found if words)


@cache
def _emoji() -> dict[int, str]:
    table = tables()["emoji"]
    return {ord(sign): f" {word} " for word, signs in table.items() for sign in signs if not sign.isspace()}


def _write_emoji(text: str) -> str:
    """Replaces emoji by words, "emojichild" and the like, that en.toml and this file know."""
    return text if text.isascii() else text.translate(_emoji())


def _fill_stars(match: re.Match[str]) -> str:
    """Returns the word that a word with hidden letters may be; any other word as it is."""
    if not _STARS.search(match.group()):
        return match.group()
    return _filled(fold(_STARS.sub("*", match.group()).replace("*", "0")).strip(), match.group())


@lru_cache(maxsize=1 << 12)
def _filled(shape: str, written: str) -> str:
    """Returns the first core word of the shape, in which 0 stands for a hidden letter; the written word if there is none."""
    pattern = re.compile(shape.replace("0", "."))
    return next((word for word in _core() if len(word) == len(shape) and pattern.fullmatch(word)), written)


@cache
def _core() -> dict[str, str]:
    """Returns the words that are sought in disguise, with their tag."""
    found: dict[str, str] = {}
    for word in terms("en", "core"):
        tags = look_up(word).tags
        found[word] = "child" if "child" in tags or "child_head" in tags else "sexual"
    return found


@cache
def _misspelled() -> dict[str, Sense]:
    """Returns the core words without one of their inner letters, or without all their inner vowels."""
    others = {word for entry in terms("en", "not_core") for word in entry.partition(":")[2].replace("/", " ").split()}
    found: dict[str, Sense] = {}
    for word, tag in _core().items():
        shorter = {word[:at] + word[at + 1 :] for at in range(1, len(word) - 1)} if len(word) > _MIN_LETTERS else set()
        shorter.add(word[0] + re.sub("[aeiou]", "", word[1:-1]) + word[-1])
        for form in shorter - others - _core().keys():
            if len(form) >= _MIN_LETTERS - 1 and not look_up(form).senses:
                found[form] = Sense(tag, "en")
    return found


@cache
def _doubled() -> dict[str, tuple[tuple[tuple[int, ...], Sense], ...]]:
    """Returns the core words by their letters without repeats, each with the length of its runs."""
    found: dict[str, list[tuple[tuple[int, ...], Sense]]] = {}
    for word, tag in _core().items():
        letters, lengths = _runs(word)
        found.setdefault(letters, []).append((lengths, Sense(tag, "en")))
    return {letters: tuple(entries) for letters, entries in found.items()}


def _runs(word: str) -> tuple[str, tuple[int, ...]]:
    runs = [(letter, len(tuple(run))) for letter, run in groupby(word)]
    return "".join(letter for letter, _ in runs), tuple(length for _, length in runs)


@lru_cache(maxsize=1 << 16)
def guess(word: str) -> Sense | None:
    """Returns the sense of a core word that a letter was dropped from or doubled in, or None."""
    if not word.isascii() or len(word) < _MIN_LETTERS - 1 or look_up(word).senses:
        return None
    if word in _misspelled():
        return _misspelled()[word]
    letters, lengths = _runs(word)
    for least, sense in _doubled().get(letters, ()) if len(word) > _MIN_LETTERS else ():
        if all(length >= fewest for length, fewest in zip(lengths, least, strict=True)):
            return sense
    return None


@lru_cache(maxsize=1 << 16)
def joined(word: str) -> tuple[Sense, ...]:
    """Returns the senses of the two words that a word consists of, if one is for a child and the other sexual."""
    if not 2 * _SHORTEST["child"] < len(word) <= _MAX_JOINED or not word.isascii() or not word.isalpha():
        return ()
    for at in range(3, len(word) - 2):
        left, right = _plain_sense(word[:at]), _plain_sense(word[at:])
        if left and right and left.tag != right.tag:
            return (left, right)
    return ()


def _plain_sense(word: str) -> Sense | None:
    """Returns the sense of a word that is a child's or a sexual one; short ones only if they are nothing else."""
    if len(word) < _MIN_LETTERS + 1 and word not in _SAFE_ALONE and word not in _core():
        return None
    for sense in look_up(word).senses:
        if sense.tag in ("child", "sexual", "bare"):
            return Sense("child" if sense.tag == "child" else "sexual", ANY)
    return None


def splits_of(texts: Sequence[str]) -> Iterator[tuple[int, Sense]]:
    """Yields the place of each core word that is split into two, with its sense; not where both parts are words of their own."""
    core = _core()
    for at, (one, other) in enumerate(pairwise(texts)):
        if one + other in core and f"{one} {other}" not in _whole_splits():
            yield at, Sense(core[one + other], "en")


@cache
def _whole_splits() -> frozenset[str]:
    return frozenset(terms("en", "whole_split"))
