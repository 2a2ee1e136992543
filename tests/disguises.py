"""Disguises of a word, for prompts that the floor must recognize all the same. Each is the same for the same word."""

import hashlib

LEET = str.maketrans("aeiost", "431057")
HOMOGLYPHS = str.maketrans("aeopcxy", "аеорсху")


def split(word: str) -> str:
    """Puts a space inside."""
    at = _inside(word, margin=2)
    return f"{word[:at]} {word[at:]}"


def bracket(word: str) -> str:
    """Puts brackets around a letter."""
    at = _inside(word)
    return f"{word[:at]}[{word[at]}]{word[at + 1 :]}"


def double(word: str) -> str:
    """Writes a letter twice."""
    at = _inside(word)
    return word[: at + 1] + word[at:]


def drop(word: str) -> str:
    """Leaves out a letter of a word of five or more; adds one to a shorter word, which would become another word."""
    at = _inside(word)
    return word[:at] + word[at + 1 :] if len(word) >= 5 else double(word)


def leet(word: str) -> str:
    """Writes digits for letters."""
    return word.translate(LEET)


def homoglyph(word: str) -> str:
    """Writes Cyrillic letters for Latin ones that look the same."""
    return word.translate(HOMOGLYPHS)


def star(word: str) -> str:
    """Writes an asterisk for the first vowel."""
    at = next(at for at, letter in enumerate(word) if letter in "aeiou")
    return f"{word[:at]}*{word[at + 1 :]}"


def _inside(word: str, margin: int = 1) -> int:
    """Returns a place at least `margin` letters from both ends; for a shorter word the middle."""
    places = range(margin, len(word) - margin + (margin > 1)) or [len(word) // 2]
    return places[hashlib.sha256(word.encode()).digest()[0] % len(places)]
