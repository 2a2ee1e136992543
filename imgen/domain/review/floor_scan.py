"""Evidence of the floor in one text: words for children, ages, sexual words and undressing, each with its reach.

A word counts by the head of its phrase (floor_heads.py): in "baby elephant, naked savanna" neither is said of a person.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from imgen.domain.folding import STOP
from imgen.domain.review.floor_ages import ages, bracketed_ages, school_years
from imgen.domain.review.floor_evidence import ALONE, CHILD, NEAR, REACHES, REQUEST, SEXUAL, TEXT, Evidence
from imgen.domain.review.floor_heads import PERSONS, describes_thing, follows_thing, is_of, is_of_goods
from imgen.domain.review.floor_text import GARMENT, TAKEN_AWAY, Spelled, Spelling, spell
from imgen.domain.review.floor_undress import asks_away, undressings
from imgen.domain.review.floor_words import ANY, Word

_GAP = 2
_NONE: frozenset[str] = frozenset()
_ENGLISH_OR_ANY = frozenset({"en", ANY})


def scan(text: Spelled) -> tuple[tuple[Evidence, ...], ...]:
    """Returns the evidence in each spelling of a text. Linear time."""
    if not text.spellings:
        return ()
    first = tuple(_scan(text.spellings[0]))
    harmless = {word.text for word in text.spellings[0].words} - {one.text for one in first}
    others = (
        tuple(one for one in _scan(spelling) if one.text not in harmless) for spelling in text.spellings[1:]
    )  # a word that is not disguised is judged as it is written, among its neighbours
    return tuple(found for found in (first, *others, text.unspaced) if found)


def asked_away(text: str, *tags: str) -> str:
    """Returns the word for clothes or for adults that a negative term asks away; empty: it asks none away."""
    for spelling in spell(text).spellings:
        words = spelling.words
        if "adult" in tags:
            is_word = len(words) == 1 and "adult" in words[0].tags
            if is_word or any(one.sense.tag == "adult" and one.end - one.at == len(words) for one in spelling.phrases):
                return " ".join(word.text for word in words)
        elif found := asks_away(words, spelling.phrases):
            return found
    return ""


def _scan(text: Spelling) -> Iterator[Evidence]:
    words = text.words
    harmless = _harmless(text)
    children = [*(one for one in _children(text) if one.at not in harmless), *_ages(words)]
    clauses = tuple(accumulate(word.text == STOP for word in words))  # the number of each word's clause
    beside_child = {clauses[one.at] for one in children}
    yield from children
    for one in _sexual(text):
        is_of_thing = follows_thing(words, one.at, is_beside_child=clauses[one.at] in beside_child)
        if not is_of_thing and one.at not in harmless:
            yield one
    if {GARMENT, TAKEN_AWAY} <= text.kinds:
        for at, end in undressings(words, text.phrases):
            yield Evidence(SEXUAL, at, _text(words, at, end), REQUEST, frozenset({ANY}))
    for tag, span, languages in _listed(text, ALONE):
        yield _evidence(ALONE, tag, words, span, languages)
    yield from (one for one in _disguised(text) if one.at not in harmless)


def _harmless(text: Spelling) -> set[int]:
    """Returns the places of harmless words and phrases."""
    found = {at for at, word in enumerate(text.words) if "harmless" in word.tags}
    return found.union(*(range(one.at, one.end) for one in text.phrases if one.sense.tag == "harmless"))


def _listed(text: Spelling, kind: str) -> Iterator[tuple[str, range, frozenset[str]]]:
    """Yields the words and phrases of the lists of a kind: list, places, languages."""
    lists = REACHES[kind]
    for phrase in text.phrases:
        if phrase.sense.tag in lists:
            yield phrase.sense.tag, range(phrase.at, phrase.end), frozenset({phrase.sense.language})
    for at, token in enumerate(text.tokens):
        if kind in token.kinds:
            yield from (
                (tag, range(at, at + 1), languages) for tag, languages in token.word.tags.items() if tag in lists
            )


def _children(text: Spelling) -> Iterator[Evidence]:
    """Yields words for children, unless their head noun is an animal or goods; and small persons."""
    words = text.words
    for tag, span, languages in _listed(text, CHILD):
        is_adjective = tag == "child_head" and not _is_noun(words, span.start)
        if not is_adjective and not is_of_goods(words, span.start, span.stop):
            yield _evidence(CHILD, tag, words, span, languages)
    for at, word in enumerate(words):
        if "small" in word.tags and (found := _small_person(words, at)):
            yield found


def _ages(words: Sequence[Word]) -> Iterator[Evidence]:
    for find, reach in ((ages, REQUEST), (school_years, TEXT), (bracketed_ages, NEAR)):
        for at, _, text in find(words):
            yield Evidence(CHILD, at, text, reach, frozenset({ANY}))


def _sexual(text: Spelling) -> Iterator[Evidence]:
    """Yields sexual words, unless what they are said of is no person."""
    for tag, span, languages in _listed(text, SEXUAL):
        if not (tag.startswith("bare") and describes_thing(text.words, span.stop - 1)):
            yield _evidence(SEXUAL, tag, text.words, span, languages)


def _evidence(kind: str, tag: str, words: Sequence[Word], span: range, languages: frozenset[str]) -> Evidence:
    is_ambiguous = tag.endswith("_own") or (tag.endswith("_near") and "en" not in languages)
    partners = languages if is_ambiguous else None
    return Evidence(kind, span.start, _text(words, span.start, span.stop), REACHES[kind][tag], languages, partners)


def _small_person(words: Sequence[Word], at: int) -> Evidence | None:
    """Returns the evidence of "little blonde girl" or, where adjectives follow, "fata mica"; None: nobody is small."""
    languages = words[at].tags["small"]
    is_alone = at + 1 < len(words) and words[at + 1].text == STOP and (at == 0 or words[at - 1].text == STOP)
    start = at + 2 if is_alone else at + 1  # "young, blonde girl"
    for places, others in (
        (range(start, start + _GAP + 1), languages),
        (range(at - 1, at - _GAP - 2, -1), languages - {"en"}),
    ):
        for place in places:
            if not 0 <= place < len(words) or words[place].text == STOP:
                break
            if both := others & words[place].tags.get("person", _NONE):
                first, last = sorted((at, place))
                return Evidence(CHILD, first, _text(words, first, last + 1), REQUEST, both)
            if is_of(words, place, languages, "link", "thing", "goods", "animal", "garment", "sexual", "bare"):
                break
    return None


def _is_noun(words: Sequence[Word], at: int) -> bool:
    """Returns whether a word that is an adjective as well ("minor damage") stands as a noun."""
    if at + 1 == len(words) or words[at + 1].text == STOP:
        return True
    return is_of(words, at + 1, words[at].tags["child_head"], "link", "sexual", "bare", "garment", "take_off", *PERSONS)


def _disguised(text: Spelling) -> Iterator[Evidence]:
    """Yields what misspelled, split and joined words may be."""
    words = text.words
    for at, token in enumerate(text.tokens):
        if token.guessed:
            yield Evidence(token.guessed.tag, at, token.word.text, NEAR, _ENGLISH_OR_ANY, _ENGLISH_OR_ANY)
        for sense in token.joined:
            yield Evidence(sense.tag, at, token.word.text, REQUEST, frozenset({ANY}))
    for at, sense in text.splits:
        yield Evidence(sense.tag, at, _text(words, at, at + 2), NEAR, _ENGLISH_OR_ANY, _ENGLISH_OR_ANY)


def _text(words: Sequence[Word], at: int, end: int) -> str:
    return " ".join(word.text for word in words[at:end])
