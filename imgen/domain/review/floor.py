"""Floor: baseline policy on words that no ruleset or setting overrides (contract, section 8): no sexual content with minors.

It is code on purpose: no configuration reaches it. It refuses a request whose positive text has both a word for a child, or an
age under eighteen, and a sexual word or undressing. Plain words meet anywhere in the request, which is wide on purpose (an adult
nude beside a child is refused); ambiguous ones meet near each other; words said of animals, plants and goods do not count.
floor_words.py has the words, floor_text.py and floor_disguises.py read a text, floor_scan.py finds the evidence in it.

- Denials do not help: image models ignore "no", so "child, no nudity" is refused. Callers have `-terms` for that.
- Negatives protect ("kids in a park, -nude") and do not count by themselves or against the positive text, except that
  one term with both words in it is refused, for a negative can become the picture (a guidance scale under 1), and that
  asking clothes away from a child, or adults away from a sexual scene, is asking for sexual content with a minor.
- Hints are notes such as "sexual/minors: 0.01", never drawn. A clause with both words and without a denial is refused
  all the same, because it describes the picture as such content. Otherwise hints change nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

from imgen.domain.folding import compile_terms, fold
from imgen.domain.review.floor_evidence import ALONE, CHILD, REQUEST, SEXUAL, TEXT, Evidence, meeting
from imgen.domain.review.floor_scan import asked_away, scan
from imgen.domain.review.floor_text import Spelled, spell
from imgen.domain.review.floor_words import tables, terms
from imgen.domain.review.judge import PromptRoles, split_roles
from imgen.domain.review.verdict import Match, Verdict

FLOOR_VERSION = 2
"""Version of words and logic, raised with every change: pictures cached under an older floor are not reused."""

MINORS = "minors"
"""Rule id, an entry of the answer's `filter_categories`."""
MINORS_LABEL = "Sexual content with minors"

_CLAUSE_END = re.compile(r"[,;\n，、。]|\.(?!\d)")

_FoundTerm = tuple[str, str]
"""Name of a part and the folded term that was found in it."""
_Spelled = Sequence[tuple[str, Spelled]]
"""Name of a part and its text in each way that it may be read."""
_Scanned = Sequence[tuple[str, tuple[tuple[Evidence, ...], ...]]]
"""Name of a part and the evidence in each of its spellings."""


def judge_floor(parts: Mapping[str, str]) -> Verdict | None:
    """Returns the floor's verdict over all parts of a request, or None if nothing violates it. Linear time."""
    found = first_violation(split_roles(parts))
    if not found:
        return None
    return Verdict(
        safe=False,
        codes=(MINORS,),
        names=(MINORS_LABEL,),
        floor=True,
        reason=f"floor {FLOOR_VERSION}: {', '.join(dict.fromkeys(part for part, _ in found))}",
        matches=tuple(Match(rule_id=MINORS, name=MINORS_LABEL, part=part, term=term) for part, term in found),
    )


def first_violation(roles: PromptRoles) -> tuple[_FoundTerm, ...]:
    """Returns the terms of the first violation, say a child term in one part and a sexual term in another; empty: none."""
    positive, negative = _spelled(roles.positive), dict.fromkeys(roles.negative)
    wanted = _scanned(positive) if _may_violate(positive) else ()
    hints = _spelled(_undenied(roles.hints))
    unwanted = _spelled(negative)
    return (
        _alone(wanted)
        or _across(wanted)
        or _within(wanted)
        or _asks_away(positive, negative)
        or _within(_scanned(one for one in unwanted if _may_violate((one,))))
        or _within(_scanned(one for one in hints if _may_violate((one,))))
    )


def names_child(parts: Mapping[str, str]) -> bool:
    """Returns whether the positive words of a request name a child or an age under eighteen; hints and negatives do not."""
    positive = _spelled(split_roles(parts).positive)
    return _first(_scanned(one for one in positive if CHILD in one[1].kinds), CHILD, TEXT) is not None


def _spelled(texts: Iterable[tuple[str, str]]) -> _Spelled:
    """Reads each text once, whatever the number of parts that it stands in."""
    kept = tuple((part, text) for part, text in texts if text)
    found = {text: spell(text) for text in dict.fromkeys(text for _, text in kept)}
    return tuple((part, found[text]) for part, text in kept)


def _may_violate(texts: _Spelled) -> bool:
    """Returns whether texts hold words of both kinds, before anybody asks what they are said of."""
    kinds = frozenset[str]().union(*(spelled.kinds for _, spelled in texts))
    return {CHILD, SEXUAL} <= kinds or ALONE in kinds


def _scanned(texts: Iterable[tuple[str, Spelled]]) -> _Scanned:
    return tuple((part, scan(spelled)) for part, spelled in texts)


def _alone(scanned: _Scanned) -> tuple[_FoundTerm, ...]:
    """Returns the first term that violates the floor alone."""
    found = _first(scanned, ALONE, REQUEST)
    return (found,) if found else ()


def _across(scanned: _Scanned) -> tuple[_FoundTerm, ...]:
    """Returns plain words of both kinds, in whatever parts."""
    child, sexual = _first(scanned, CHILD, REQUEST), _first(scanned, SEXUAL, REQUEST)
    return (child, sexual) if child and sexual else ()


def _within(scanned: _Scanned) -> tuple[_FoundTerm, ...]:
    """Returns words of both kinds that reach each other in one text."""
    pairs = ((part, meeting(found)) for part, spellings in scanned for found in spellings)
    return next((((part, pair[0].text), (part, pair[1].text)) for part, pair in pairs if pair), ())


def _asks_away(positive: _Spelled, negative: Collection[tuple[str, str]]) -> tuple[_FoundTerm, ...]:
    """Returns a child and the clothes, or a sexual word and the adults, that a negative term asks away."""
    if not negative:
        return ()
    scanned = _scanned((part, spelled) for part, spelled in positive if spelled.kinds & {CHILD, SEXUAL})
    for kind, reach, tags in ((CHILD, TEXT, ("garment", "dressed")), (SEXUAL, REQUEST, ("adult",))):
        wanted = _first(scanned, kind, reach)
        away = wanted and next(((part, term) for part, text in negative if (term := asked_away(text, *tags))), None)
        if wanted and away:
            return (wanted, away)
    return ()


def _undenied(hints: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Returns the clauses of the hints that deny nothing and report no check."""
    clauses = ((part, clause) for part, text in hints for clause in _CLAUSE_END.split(text))
    return tuple((part, clause) for part, clause in clauses if not _denial().search(fold(clause)))


def _first(scanned: _Scanned, kind: str, reach: int) -> _FoundTerm | None:
    """Returns the first word of a kind with at least this reach."""
    found = (
        (part, one.text)
        for part, spellings in scanned
        for evidence in spellings
        for one in evidence
        if one.kind == kind and one.reach >= reach
    )
    return next(found, None)


@cache
def _denial() -> re.Pattern[str]:
    return compile_terms(term for language in tables() for term in terms(language, "denial"))
