"""Ages under eighteen, school years and birthdays in the words of a text, in digits and in words of every language."""

import re
from collections.abc import Iterator, Sequence

from imgen.domain.folding import STOP
from imgen.domain.review.floor_heads import PERSONS, is_of
from imgen.domain.review.floor_words import Phrase, Word, end_of, look_up

ADULT_AGE = 18
_DIGITS = re.compile(r"(\d{1,3})(?!\d)(.*)", re.DOTALL)
_LAST_GRADE = 12
_SHORTEST_NAME = 3
_EARLIEST_BRACKETED = 3
_NTH = frozenset(
    (
        "",
        "st",
        "nd",
        "rd",
        "th",
        "e",
        "er",
        "eme",
        "a",
        "o",
        "i",
        "u",
        "й",
        "я",
        "го",
        "ти",
        "inci",
        "uncu",
        "nci",
        "ncu",
    )
)
"""Endings that are written together with the digits of an ordinal."""
_NUMBERS = frozenset({"numbers", "age_word"})
_COUNTS = frozenset({"ordinals", "numbers"})

Place = tuple[int, int, str]
"""Index of the first word of an age, index behind the last, and its text."""


def ages(words: Sequence[Word]) -> Iterator[Place]:
    """Yields ages under eighteen of persons; ages of things ("12 year old whisky") and durations are none."""
    for at, word in enumerate(words):
        if not (word.following or word.text[:1].isdecimal() or word.tags.keys() & _NUMBERS):
            continue
        for value, end, suffix in _numbers(words, at):
            if not 0 < value < ADULT_AGE or _is_part_of_more(words, at):
                continue
            if found := _age(words, at, end, suffix):
                yield (at, found, " ".join(word.text for word in words[at:found]))


def bracketed_ages(words: Sequence[Word]) -> Iterator[Place]:
    """Yields ages in brackets or between commas behind a word, "model (14)", "Anna, 14,": a guess, for they may count things."""
    for at in range(1, len(words)):
        if words[at].text == "bracketedage" and words[at - 1].text != STOP and at + 1 < len(words):
            place = at + 1
        elif at > 1 and words[at - 1].text == STOP and _ends(words, at + 1) and _names_person(words, at - 1):
            place = at
        else:
            continue
        text = words[place].text
        if text.isdecimal() and _EARLIEST_BRACKETED <= int(text) < ADULT_AGE:
            yield (at, place + 1, text)


def school_years(words: Sequence[Word]) -> Iterator[Place]:
    """Yields years of school and birthdays under eighteen."""
    for at, word in enumerate(words):
        for tag, last in (("grade", _LAST_GRADE), ("birthday", ADULT_AGE - 1)):
            if tag in word.tags and any(0 < value <= last for value in _near_numbers(words, at)):
                yield (at, at + 1, word.text)
        is_year = "school_year" in word.tags and _has(words, at + 2, "role", "child", "grade", "kin")
        if is_year and any(0 < value <= _LAST_GRADE for value, *_ in _numbers(words, at + 1)):
            yield (at, at + 2, word.text)


def _numbers(words: Sequence[Word], at: int) -> Iterator[tuple[int, int, str]]:
    """Yields the numbers that begin at a place: value, index behind it, and the ending that is written together with digits."""
    if at >= len(words):
        return
    match = _DIGITS.fullmatch(words[at].text)
    if match and match[1].isdecimal():
        yield int(match[1]), at + 1, match[2]
    for sense in words[at].senses:
        if sense.tag in _NUMBERS:
            yield sense.value, at + 1, "" if sense.tag == "numbers" else sense.tag
    for phrase in _phrases(words, at):
        if phrase.sense.tag in _NUMBERS and (end := end_of(phrase.rest, words, at + 1)):
            yield phrase.sense.value, end, "" if phrase.sense.tag == "numbers" else phrase.sense.tag


def _phrases(words: Sequence[Word], at: int) -> Sequence[Phrase]:
    """Returns the phrases that the words at two places may begin."""
    return words[at].following.get(words[at + 1].text, ()) if at + 1 < len(words) else ()


def _is_part_of_more(words: Sequence[Word], at: int) -> bool:
    """Returns whether the word before makes the number larger: twenty-one, 2 000."""
    before = words[at - 1] if at else None
    return before is not None and (before.text.isdecimal() or ("tens" in before.tags and before.text != "of"))


def _age(words: Sequence[Word], at: int, end: int, suffix: str) -> int:
    """Returns the index behind an age that begins with a number; 0: the number is none."""
    if suffix == "age_word":
        return end
    unit = look_up(suffix) if suffix else (words[end] if end < len(words) else None)
    behind = end if suffix else end + 1
    languages = frozenset(
        language for tag in ("years", "year") for language in (unit.tags.get(tag, ()) if unit else ())
    )
    is_duration = any(is_of(words, place, languages, "not_age") for place in (behind, at - 1))
    if is_duration or _counts_things(words, behind):
        return 0
    if unit is not None and "years" in unit.tags:
        return behind
    if unit is not None and "year" in unit.tags:
        return _end_of_year(words, at, behind, is_singular=not unit.text.endswith("s"))
    if suffix in ("f", "m") and _ends(words, end) and suffix == "f":
        return end
    return end if not suffix and _follows_age_word(words, at, end) else 0


def _end_of_year(words: Sequence[Word], at: int, behind: int, *, is_singular: bool) -> int:
    """Returns the index behind "12 years old", "12 year gymnast" or "girl of 12 years"; 0: it is a duration."""
    if _has(words, behind, "old"):
        return 0 if _counts_things(words, behind + 1) else behind + 1
    of_age = behind + 1 < len(words) and (words[behind].text, words[behind + 1].text) == ("of", "age")
    if of_age:
        return behind + 2
    if at > 1 and words[at - 1].text == "of" and _has(words, at - 2, "role", "person", "child", "kin"):
        return behind
    is_noun = not _ends(words, behind) and not _has(words, behind, "link", "thing", "goods", "animal", "not_age")
    return behind if is_singular and is_noun else 0


def _follows_age_word(words: Sequence[Word], at: int, end: int) -> bool:
    """Returns whether a number stands behind "aged", "at the age of" or "girl of"."""
    before = range(max(0, at - 3), at)
    if any("age" in words[place].tags for place in before) and not (_has(words, at - 1, "not_age")):
        return not (end < len(words) and words[end].text.isdecimal())
    is_of = at > 1 and words[at - 1].text == "of" and _has(words, at - 2, "role", "person", "kin")
    return is_of and (_ends(words, end) or _has(words, end, "link", "sexual", "bare"))


def _counts_things(words: Sequence[Word], behind: int) -> bool:
    """Returns whether the noun behind an English age is no person: a whisky, an oak."""
    english = frozenset({"en"})
    for place in range(behind, min(behind + 3, len(words))):
        if words[place].text == STOP or is_of(words, place, english, "link", "sexual", "bare", *PERSONS):
            return False
        if is_of(words, place, english, "thing", "goods", "animal"):
            return True
    return False


def _near_numbers(words: Sequence[Word], at: int) -> Iterator[int]:
    """Yields the numbers and ordinals up to two words from a place, in the same clause."""
    for step in (-1, 1):
        for place in (at + step, at + 2 * step):
            if not 0 <= place < len(words) or words[place].text == STOP:
                break
            yield from (sense.value for sense in words[place].senses if sense.tag in _COUNTS)
            for phrase in _phrases(words, place):
                if phrase.sense.tag in _COUNTS and end_of(phrase.rest, words, place + 1):
                    yield phrase.sense.value
            match = _DIGITS.fullmatch(words[place].text)
            if match and match[1].isdecimal() and match[2] in _NTH:
                yield int(match[1])


def _names_person(words: Sequence[Word], stop: int) -> bool:
    """Returns whether the words before a stop end with a person, or with a word of no list, which may be a name."""
    before = words[stop - 1]
    if not before.senses and before.text.isalpha() and len(before.text) >= _SHORTEST_NAME:
        return True
    return any(words[place].tags.keys() & set(PERSONS) for place in range(max(0, stop - 2), stop))


def _ends(words: Sequence[Word], at: int) -> bool:
    return at >= len(words) or words[at].text == STOP


def _has(words: Sequence[Word], at: int, *tags: str) -> bool:
    return 0 <= at < len(words) and any(tag in words[at].tags for tag in tags)
