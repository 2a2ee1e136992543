"""Floor: baseline policy on words that no ruleset or setting overrides (contract, section 8): no sexual content with minors.

It is code on purpose: no configuration reaches it. It refuses a request whose positive text, all parts taken together, has
both a word for a child and a sexual word. That is wide on purpose (an adult nude beside a child is refused); pictures are
reviewed as well.

- Denials do not help: image models ignore "no", so "child, no nudity" is refused. Callers have `-terms` for that.
- Negatives protect ("kids in a park, -nude") and do not count by themselves or against the positive text, except that
  one term with both words in it is refused, for a negative can become the picture (a guidance scale under 1), and that
  asking clothes away from a child, or adults away from a sexual scene, is asking for sexual content with a minor.
- Hints are notes such as "sexual/minors: 0.01", never drawn. A clause with both words and without a denial is refused
  all the same, because it describes the picture as such content. Otherwise hints change nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from imgen.domain.folding import compile_terms, fold
from imgen.domain.review import floor_words
from imgen.domain.review.judge import NormalizedPart, PromptRoles, normalize, split_roles
from imgen.domain.review.verdict import Match, Verdict

FLOOR_VERSION = 1
"""Version of words and logic, raised with every change: pictures cached under an older floor are not reused."""

MINORS = "minors"
"""Rule id, an entry of the answer's `filter_categories`."""
MINORS_LABEL = "Sexual content with minors"

_ADULT_AGE = 18
_CLAUSE_END = re.compile(r"[,;\n，、。]|\.(?!\d)")
_CHILD = compile_terms(floor_words.CHILD)
_SEXUAL = compile_terms(floor_words.SEXUAL)
_ALONE = compile_terms(floor_words.ALONE)
_CHILDLESS = compile_terms(floor_words.CHILDLESS)
_SEXLESS = compile_terms(floor_words.SEXLESS)
_CLOTHED = re.compile(f" (?:{compile_terms(floor_words.CLOTHED).pattern}) ")
_ADULT = re.compile(f" (?:{compile_terms(floor_words.ADULT).pattern}) ")
_DENIAL = compile_terms(floor_words.DENIAL)
_AGE_IN_DIGITS = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(floor_words.AGE_IN_DIGITS)})")
_AGE_IN_WORDS = re.compile(
    "|".join((rf"(?<= )(?:{'|'.join(floor_words.AGE_IN_WORDS)})(?= )", *floor_words.AGE_UNSPACED))
)

_FoundTerm = tuple[str, str]
"""Name of a part and the folded term that was found in it."""


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
    positive, negative = normalize(roles.positive), normalize(dict.fromkeys(roles.negative))
    clauses = ((part, clause) for part, text in roles.hints for clause in _CLAUSE_END.split(text))
    hints = normalize((part, clause) for part, clause in clauses if not _DENIAL.search(fold(clause)))
    child, sexual = _first(_child, positive), _first(_sexual, positive)
    violations = (
        (_first(_alone, positive),),
        (child, sexual),
        (child, _first(_clothed, negative)),
        (sexual, _first(_adult, negative)),
        (_first(_both, negative),),
        (_first(_both, hints),),
    )
    return next((tuple(filter(None, violation)) for violation in violations if all(violation)), ())


def names_child(parts: Mapping[str, str]) -> bool:
    """Returns whether the positive words of a request name a child or an age under eighteen; hints and negatives do not."""
    return _first(_child, normalize(split_roles(parts).positive)) is not None


def _first(find: Callable[[str], str], parts: Iterable[NormalizedPart]) -> _FoundTerm | None:
    """Returns the first term that `find` returns for a reading of a part; None: it returns only empty strings."""
    found = ((part, find(folded)) for part, texts in parts for folded in texts)
    return next((pair for pair in found if pair[1]), None)


def _child(folded: str) -> str:
    """Returns the first word for a child or age under eighteen; empty: none."""
    text = _CHILDLESS.sub("", folded)
    word = _CHILD.search(text) or _AGE_IN_WORDS.search(text)
    if word:
        return word.group().strip()
    ages = (age for age in _AGE_IN_DIGITS.finditer(text) if int(next(filter(None, age.groups()))) < _ADULT_AGE)
    return next((age.group().strip() for age in ages), "")


def _sexual(folded: str) -> str:
    return _matched(_SEXUAL.search(_SEXLESS.sub("", folded)))


def _both(folded: str) -> str:
    """Returns a child term and a sexual term of one text; empty: it lacks one of them."""
    child, sexual = _child(folded), _sexual(folded)
    return f"{child} + {sexual}" if child and sexual else ""


def _alone(folded: str) -> str:
    return _matched(_ALONE.search(folded))


def _clothed(folded: str) -> str:
    return _matched(_CLOTHED.fullmatch(folded))


def _adult(folded: str) -> str:
    return _matched(_ADULT.fullmatch(folded))


def _matched(match: re.Match[str] | None) -> str:
    return match.group().strip() if match else ""
