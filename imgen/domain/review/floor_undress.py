"""Clothes taken away, in any language: "without her red dress", "shirt off", "zieht ihr Kleid aus"; and asked away."""

from collections.abc import Iterator, Sequence

from imgen.domain.folding import STOP
from imgen.domain.review.floor_heads import is_of
from imgen.domain.review.floor_text import PlacedPhrase
from imgen.domain.review.floor_words import Word

_WORDS_BETWEEN = 3
_Phrases = Sequence[PlacedPhrase]


def undressings(words: Sequence[Word], phrases: _Phrases) -> Iterator[tuple[int, int]]:
    """Yields the places of clothes taken away, from the first word to behind the last."""
    garments = {at: languages for at, languages in _places(words, phrases, "garment") if is_garment(words, at)}
    if not garments:
        return
    for tag in ("without", "take_off"):
        for at, end, languages in _spans(words, phrases, tag):
            if place := _garment_in(words, garments, range(end, end + _WORDS_BETWEEN + 1), languages):
                yield at, place + 1
    for at, end, languages in _spans(words, phrases, "without_after"):
        if place := _garment_in(words, garments, range(at - 1, at - _WORDS_BETWEEN - 1, -1), languages):
            yield place, end


def _garment_in(
    words: Sequence[Word], garments: dict[int, frozenset[str]], places: range, languages: frozenset[str]
) -> int:
    """Returns the first place with clothes of one of the languages, in the same clause; 0: there is none."""
    for place in places:
        if not 0 <= place < len(words) or words[place].text == STOP:
            return 0
        if garments.get(place, frozenset()) & languages:
            return place
    return 0


def is_garment(words: Sequence[Word], at: int) -> bool:
    """Returns whether a word for clothes is its phrase's head and meant as such: no "dress code", no "dirty clothes"."""
    languages = words[at].tags.get("garment", frozenset()) | words[at].tags.get("dressed", frozenset())
    is_modifier = is_of(words, at + 1, languages, "goods", "thing", "animal")
    return not is_modifier and not is_of(words, at - 1, languages, "plain")


def asks_away(words: Sequence[Word], phrases: _Phrases) -> str:
    """Returns the word for clothes that a negative term asks away; empty: it asks none away."""
    places = sorted({*dict(_places(words, phrases, "garment")), *dict(_places(words, phrases, "dressed"))})
    for at in places:
        behind = words[at + 1] if at + 1 < len(words) else None
        is_last = behind is None or behind.text == STOP or behind.tags.keys() & {"garment", "link", "plain", "dressed"}
        if is_last and is_garment(words, at):
            return words[at].text
    return ""


def _spans(words: Sequence[Word], phrases: _Phrases, tag: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    for at, word in enumerate(words):
        if languages := word.tags.get(tag):
            yield at, at + 1, languages
    for phrase in phrases:
        if phrase.sense.tag == tag:
            yield phrase.at, phrase.end, frozenset({phrase.sense.language})


def _places(words: Sequence[Word], phrases: _Phrases, tag: str) -> Iterator[tuple[int, frozenset[str]]]:
    """Yields the last word of each word or phrase of a list, with its languages."""
    for _, end, found in _spans(words, phrases, tag):
        yield end - 1, found
