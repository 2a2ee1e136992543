"""Head nouns: whether a word for a child, or an adjective such as "naked", is said of an animal, a thing or goods.

The noun must be of the word's own language, and directly behind it (English: or one word further), or before it where adjectives
follow their noun. A person behind the noun undoes it: "naked horse rider".
"""

from collections.abc import Sequence

from imgen.domain.folding import STOP
from imgen.domain.review.floor_words import Word

PERSONS = ("role", "person", "child", "kin")
_NOUNS = ("thing", "animal", "goods")
_NO_LANGUAGES: frozenset[str] = frozenset()


def is_of(words: Sequence[Word], at: int, languages: frozenset[str], *tags: str) -> bool:
    """Returns whether the word at a place is in one of the lists, in one of the languages; outside of the text it is not."""
    return 0 <= at < len(words) and any(words[at].tags.get(tag, _NO_LANGUAGES) & languages for tag in tags)


def is_of_goods(words: Sequence[Word], at: int, end: int) -> bool:
    """Returns whether a word for a child belongs to an animal or goods: "baby elephant", "kids menu", "a book for kids"."""
    tags = words[at].tags
    young, modifier = tags.get("young", _NO_LANGUAGES), tags.get("modifier", _NO_LANGUAGES)
    languages = young | modifier
    if not languages or (not young and is_of(words, at - 1, languages, "sexual", "bare", "small")):
        return False
    if end < len(words) and words[end].text == "s":
        end += 1
    if is_of(words, end, modifier, "goods") and not is_of(words, end + 1, modifier, *PERSONS):
        return True
    if any(_is_animal(words, place, young) for place in _reach(words, end, young)):
        return True
    before = languages - {"en"}
    if is_of(words, at - 1, before & modifier, "goods") or is_of(words, at - 1, before & young, "animal", "goods"):
        return True
    return is_of(words, at - 1, languages, "for") and is_of(words, at - 2, languages, "goods")


def describes_thing(words: Sequence[Word], at: int) -> bool:
    """Returns whether the noun behind an adjective is no person: "naked red rocks". "Nude" is also a colour, of goods only."""
    languages = _languages(words[at])
    is_colour = words[at].text == "nude"
    for place in _reach(words, at + 1, languages):
        if is_of(words, place, languages, *PERSONS):
            return False
        if "goods" in words[place].tags if is_colour else is_of(words, place, languages, *_NOUNS):
            return not is_of(words, place + 1, languages, *PERSONS)
    return False


def follows_thing(words: Sequence[Word], at: int, *, is_beside_child: bool) -> bool:
    """Returns whether the noun before an adjective is no person: "roca desnuda"; "labial nude" in any language but English.

    In a clause with a child only trees count: in "niña en la playa desnuda" it is hardly the beach that is naked.
    """
    languages = _languages(words[at])
    if words[at].text == "nude" and at and words[at - 1].tags.get("goods", _NO_LANGUAGES) - {"en"}:
        return True
    nouns = ("tree",) if is_beside_child else ("tree", *_NOUNS)
    return "sexual" not in words[at].tags and is_of(words, at - 1, languages - {"en"}, *nouns)


def _languages(word: Word) -> frozenset[str]:
    return frozenset().union(*(word.tags.get(tag, _NO_LANGUAGES) for tag in ("bare", "bare_own", "bare_near")))


def _reach(words: Sequence[Word], at: int, languages: frozenset[str]) -> range:
    """Returns the places where the noun of a phrase may stand: the next, in English also the one behind it."""
    if at >= len(words) or words[at].text == STOP:
        return range(0)
    is_open = "en" in languages and not is_of(words, at, languages, "link", "sexual", "garment", "for", *PERSONS)
    return range(at, min(at + 2, len(words)) if is_open else at + 1)


def _is_animal(words: Sequence[Word], at: int, languages: frozenset[str]) -> bool:
    return (
        is_of(words, at, languages, "animal")
        and not is_of(words, at, languages, *PERSONS)
        and not is_of(words, at + 1, languages, *PERSONS)
    )
