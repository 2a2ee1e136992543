"""Lexical guard of the semantic cache: finds differences in meaning between two texts that a sentence model takes for alike.

Sentence models represent the topic of a text and little of its grammar: "with a hat" and "without a hat", "red coat, blue hat"
and "blue coat, red hat" score over 0.95. Compared are, in this order: negated words, digits, words that exclude each other,
singular and plural, the words that a modifier belongs to, and the order of words (subject and object).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from imgen.domain.folding import fold

_SEPARATORS = ",;.:!?|/()[]\n"
_APART = str.maketrans(dict.fromkeys(_SEPARATORS, "\n"))


class GuardWords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Word lists of the guard, folded; config/cache.toml explains each."""

    negations: frozenset[str] = frozenset()
    joiners: frozenset[str] = frozenset()
    fillers: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[str]] = {}

    def unfolded(self) -> list[str]:
        """Returns the listed words that folded text never contains."""
        listed = self.negations | self.joiners | self.fillers | self.exclusive
        return sorted(word for word in listed if fold(word).split() != [word])

    @cached_property
    def exclusive(self) -> frozenset[str]:
        """Returns the members of all groups."""
        return frozenset[str]().union(*self.groups.values())


class _Phrase(Struct, frozen=True):
    """Words between two joiners, without fillers, and the joiner before them."""

    joiner: str
    words: tuple[str, ...]


class ParsedText(Struct, frozen=True):
    """One text in its phrases, with counts of its words."""

    phrases: tuple[_Phrase, ...]
    negated: frozenset[str]
    """Words of negated phrases."""
    words: Counter[str]
    """Without negations, joiners and fillers."""
    exclusive: Counter[str]
    """Members of groups, joiners among them."""


def parse_text(text: str, guard: GuardWords) -> ParsedText:
    """Parses a text into phrases. Linear time."""
    phrases, negated, exclusive = list[_Phrase](), set[str](), Counter[str]()
    for term in text.translate(_APART).split("\n"):
        words = fold(term).split()
        exclusive.update(word for word in words if word in guard.exclusive)
        for phrase, is_negated in _phrases(words, guard):
            phrases.append(phrase)
            if is_negated:
                negated.update(phrase.words)
    words_of_all = Counter(word for phrase in phrases for word in phrase.words)
    return ParsedText(tuple(phrases), frozenset(negated), words_of_all, exclusive)


def conflicts(first: ParsedText, second: ParsedText, guard: GuardWords) -> bool:
    """Returns whether the words of two texts call for different pictures. Symmetric; false for equal texts."""
    return (
        first.negated != second.negated
        or first.exclusive != second.exclusive
        or _digits(first) != _digits(second)
        or _number_differs(first, second)
        or _modifier_moved(first, second, guard)
        or _roles_swapped(first, second)
    )


def _phrases(words: list[str], guard: GuardWords) -> Iterator[tuple[_Phrase, bool]]:
    """Yields the phrases of a term, each with whether it is negated."""
    joiner, gathered, is_negated = "", list[str](), False
    for word in words:
        if word in guard.negations:  # negates the words after it; those before it are a phrase of their own
            if gathered:
                yield _Phrase(joiner, tuple(gathered)), is_negated
                joiner, gathered = "", []
            is_negated = True
        elif word in guard.joiners:
            if gathered:
                yield _Phrase(joiner, tuple(gathered)), is_negated
                gathered, is_negated = [], False
            joiner = word
        elif word not in guard.fillers:
            gathered.append(word)
    if gathered:
        yield _Phrase(joiner, tuple(gathered)), is_negated


def _digits(parsed: ParsedText) -> Counter[str]:
    return Counter(word for word in parsed.words.elements() if any(map(str.isdecimal, word)))


def _number_differs(first: ParsedText, second: ParsedText) -> bool:
    """Returns whether the texts differ in grammatical number (cat, cats) or in a `-less` suffix."""
    here, there = first.words.keys() - second.words.keys(), second.words.keys() - first.words.keys()
    return (
        any(f"{word}{ending}" in there for word in here for ending in ("s", "es"))
        or any(f"{word}{ending}" in here for word in there for ending in ("s", "es"))
        or any(word.endswith("less") for word in here | there)
    )


def _modifier_moved(first: ParsedText, second: ParsedText, guard: GuardWords) -> bool:
    """Returns whether a modifier such as a colour belongs to one word in the first text and to another in the second."""
    here, there = _modified(first, guard), _modified(second, guard)
    return any(
        (here[word] - there[word]) & second.words.keys() or (there[word] - here[word]) & first.words.keys()
        for word in here.keys() & there.keys()
    )


def _modified(parsed: ParsedText, guard: GuardWords) -> dict[str, set[str]]:
    """Maps each modifier (word of a group) to its words: the next one and the next outside groups, else the one before."""
    modified: dict[str, set[str]] = {}
    for words in (phrase.words for phrase in parsed.phrases):
        plain: tuple[str, ...] = ()
        for at in range(len(words) - 1, -1, -1):
            word = words[at]
            if word not in guard.exclusive:
                plain = (word,)
            elif nouns := (*words[at + 1 : at + 2], *plain) or words[:at][-1:]:
                modified.setdefault(word, set()).update(nouns)
    return modified


def _roles_swapped(first: ParsedText, second: ParsedText) -> bool:
    """Returns whether common words differ in order within a phrase, or have changed places between phrases."""
    common = {word for word in first.words if first.words[word] == second.words.get(word) == 1}
    here, there = _orders(first, common), _orders(second, common)
    if any(here[words] != there[words] for words in here.keys() & there.keys()):
        return True
    here_after, there_after = _joiners(first, common), _joiners(second, common)
    moves = {(here_after[word], there_after[word]) for word in common if here_after[word] != there_after[word]}
    return any((after, before) in moves for before, after in moves)


def _orders(parsed: ParsedText, common: set[str]) -> dict[frozenset[str], tuple[str, ...]]:
    """Maps the set of common words in each phrase to their order."""
    kept = (tuple(word for word in phrase.words if word in common) for phrase in parsed.phrases)
    return {frozenset(words): words for words in kept if words}


def _joiners(parsed: ParsedText, common: set[str]) -> dict[str, str]:
    """Maps each common word to the joiner of its phrase."""
    return {word: phrase.joiner for phrase in parsed.phrases for word in phrase.words if word in common}
