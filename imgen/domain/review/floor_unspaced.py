"""Evidence in Chinese, Japanese and Korean, which are matched without regard to spaces: terms are found anywhere in a text."""

import re
from collections.abc import Iterator
from functools import cache

from imgen.domain.folding import compile_terms, fold, readings
from imgen.domain.review.floor_evidence import ALONE, CHILD, REQUEST, SEXUAL, Evidence
from imgen.domain.review.floor_words import ANY, LANGUAGES_WITHOUT_SPACES, patterns, terms

_SIGNS = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f]")
_KOREAN_END = "(?:들)?(?:이|가|은|는|을|를|의|와|과|도|에|에서|로|으로)?(?= )"
"""End of a Korean noun: 소 is a cow, 소녀 a girl."""
_ANY = frozenset({ANY})


def scan_unspaced(text: str) -> tuple[Evidence, ...]:
    """Returns the first evidence of each kind in each reading of a text with signs of the three languages."""
    return tuple(found for folded in readings(text) for found in _scan(folded)) if _SIGNS.search(text) else ()


def _scan(folded: str) -> Iterator[Evidence]:
    left = _harmless().sub(" ", folded)
    for kind, found in (
        (ALONE, _terms("alone").search(folded)),
        (CHILD, _terms("child").search(left) or _patterns("ages").search(left) or _words().search(left)),
        (SEXUAL, _terms("sexual", "bare").search(left) or _patterns("undress").search(left)),
    ):
        if found:
            yield Evidence(kind, 0, found.group().strip(), REQUEST, _ANY)


@cache
def _terms(*keys: str) -> re.Pattern[str]:
    return compile_terms(term for language in LANGUAGES_WITHOUT_SPACES for key in keys for term in terms(language, key))


@cache
def _patterns(key: str) -> re.Pattern[str]:
    return re.compile(
        "|".join(f"(?:{one})" for language in LANGUAGES_WITHOUT_SPACES for one in patterns(language, key))
    )


@cache
def _words() -> re.Pattern[str]:
    """Returns a pattern of Korean words for a child that occur inside of others: they stand alone, or with a particle."""
    words = "|".join(fold(term).strip() for term in terms("ko", "child_word"))
    return re.compile(f"(?<= )(?:{words})(?:들)?(?:이|가|은|는|을|를|의|와|과|도|에게|랑)?(?= )")


@cache
def _harmless() -> re.Pattern[str]:
    """Returns a pattern of harmless phrases: listed ones, and words whose head noun is a thing, an animal or goods."""
    pairs = []
    for language in LANGUAGES_WITHOUT_SPACES:
        joint = _either(language, "joint", more=("",))
        for modifiers, heads in (
            ("bare", ("thing", "animal", "goods")),
            ("young", ("animal",)),
            ("modifier", ("goods",)),
        ):
            end = _KOREAN_END if language == "ko" else ""
            pairs.append(f"{_either(language, modifiers)} ?{joint} ?{_either(language, *heads)}{end}")
    return re.compile(
        f"{compile_terms(term for one in LANGUAGES_WITHOUT_SPACES for term in terms(one, 'harmless')).pattern}|{'|'.join(pairs)}"
    )


def _either(language: str, *keys: str, more: tuple[str, ...] = ()) -> str:
    found = {fold(term).strip() for key in keys for term in terms(language, key)}
    return f"(?:{'|'.join([*sorted(found, key=lambda term: (-len(term), term)), *more])})"
