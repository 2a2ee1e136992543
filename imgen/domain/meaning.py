"""The lexical guard: whether two sentences that seem alike to a sentence model say different things after all.

Such models hear what a sentence is about, and little of what it says of it: "with a hat" and "without a hat", "red coat,
blue hat" and "blue coat, red hat" score over 0.95. Looked at here, in this order: what is negated, digits, words that
exclude each other, singular and plural, what such a word is said of, and who does what to whom.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from imgen.domain.folding import fold

_SEPARATORS = ",;.:!?|/()[]\n"
_APART = str.maketrans(dict.fromkeys(_SEPARATORS, "\n"))


class Guard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The words it knows, folded; config/cache.toml tells what each list is for."""

    negations: frozenset[str] = frozenset()
    joiners: frozenset[str] = frozenset()
    fillers: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[str]] = {}

    def unfolded(self) -> list[str]:
        """Listed words that no text can hold once it is folded."""
        listed = self.negations | self.joiners | self.fillers | self.exclusive
        return sorted(word for word in listed if fold(word).split() != [word])

    @cached_property
    def exclusive(self) -> frozenset[str]:
        """Members of all groups."""
        return frozenset[str]().union(*self.groups.values())


class _Phrase(Struct, frozen=True):
    joiner: str
    words: tuple[str, ...]


class Reading(Struct, frozen=True):
    """One sentence taken apart."""

    phrases: tuple[_Phrase, ...]
    negated: frozenset[str]
    words: Counter[str]
    """Without negations, joiners and fillers."""
    exclusive: Counter[str]
    """Members of groups, joiners among them."""


def read(text: str, guard: Guard) -> Reading:
    """Takes a sentence apart. Linear time."""
    phrases, negated, exclusive = list[_Phrase](), set[str](), Counter[str]()
    for term in text.translate(_APART).split("\n"):
        words = fold(term).split()
        exclusive.update(word for word in words if word in guard.exclusive)
        for phrase, is_negated in _phrases(words, guard):
            phrases.append(phrase)
            if is_negated:
                negated.update(phrase.words)
    words_of_all = Counter(word for phrase in phrases for word in phrase.words)
    return Reading(tuple(phrases), frozenset(negated), words_of_all, exclusive)


def mean_different_things(first: Reading, second: Reading, guard: Guard) -> bool:
    """Whether one's picture would be wrong for the other, as far as words tell. Symmetric; equal texts never do."""
    return (
        first.negated != second.negated
        or first.exclusive != second.exclusive
        or _digits(first) != _digits(second)
        or _bent_apart(first, second)
        or _said_of_others(first, second, guard)
        or _in_other_roles(first, second)
    )


def _phrases(words: list[str], guard: Guard) -> Iterator[tuple[_Phrase, bool]]:
    """A term's phrases, each with the joiner it begins with, and whether it is negated."""
    joiner, gathered, is_negated = "", list[str](), False
    for word in words:
        if word in guard.negations:  # turns what follows; what came before is a phrase of its own
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


def _digits(reading: Reading) -> Counter[str]:
    return Counter(word for word in reading.words.elements() if any(map(str.isdecimal, word)))


def _bent_apart(first: Reading, second: Reading) -> bool:
    """Whether a word is there in the singular here and in the plural there, or with `-less` on one side alone."""
    here, there = first.words.keys() - second.words.keys(), second.words.keys() - first.words.keys()
    return (
        any(f"{word}{ending}" in there for word in here for ending in ("s", "es"))
        or any(f"{word}{ending}" in here for word in there for ending in ("s", "es"))
        or any(word.endswith("less") for word in here | there)
    )


def _said_of_others(first: Reading, second: Reading, guard: Guard) -> bool:
    """Whether a word such as a colour is said of one thing here, and of another there that both know."""
    here, there = _attributions(first, guard), _attributions(second, guard)
    return any(
        (here[word] - there[word]) & second.words.keys() or (there[word] - here[word]) & first.words.keys()
        for word in here.keys() & there.keys()
    )


def _attributions(reading: Reading, guard: Guard) -> dict[str, set[str]]:
    """Word of a group → what it is said of: the next word and the next plain one, else the word before."""
    said: dict[str, set[str]] = {}
    for words in (phrase.words for phrase in reading.phrases):
        plain: tuple[str, ...] = ()
        for at in range(len(words) - 1, -1, -1):
            word = words[at]
            if word not in guard.exclusive:
                plain = (word,)
            elif things := (*words[at + 1 : at + 2], *plain) or words[:at][-1:]:
                said.setdefault(word, set()).update(things)
    return said


def _in_other_roles(first: Reading, second: Reading) -> bool:
    """Whether words that both know stand in another order within a phrase, or have changed places between phrases."""
    common = {word for word in first.words if first.words[word] == second.words.get(word) == 1}
    here, there = _orders(first, common), _orders(second, common)
    if any(here[words] != there[words] for words in here.keys() & there.keys()):
        return True
    behind, ahead = _joined(first, common), _joined(second, common)
    moves = {(behind[word], ahead[word]) for word in common if behind[word] != ahead[word]}
    return any((after, before) in moves for before, after in moves)


def _orders(reading: Reading, common: set[str]) -> dict[frozenset[str], tuple[str, ...]]:
    """Set of known words in a phrase → their order."""
    kept = (tuple(word for word in phrase.words if word in common) for phrase in reading.phrases)
    return {frozenset(words): words for words in kept if words}


def _joined(reading: Reading, common: set[str]) -> dict[str, str]:
    """Known word → the joiner of its phrase."""
    return {word: phrase.joiner for phrase in reading.phrases for word in phrase.words if word in common}
