"""Verdicts: of the rules that matched, and of several reviewers together."""

import pytest

from imgen.domain.review.ruleset import Rule
from imgen.domain.review.verdict import Verdict, combine, floor_verdict, verdict_of


def rule(key, **changes):
    return Rule(id=key, name=key.title(), description="", **changes)


BLOCK, RELEASE, NOTE = rule("a"), rule("b", release=True), rule("c", action="note")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), Verdict(safe=True)),
        ((NOTE,), Verdict(safe=True, codes=("c",), names=("C",))),
        ((NOTE, BLOCK), Verdict(safe=False, codes=("a",), names=("A",), reason="seen")),
        ((RELEASE, NOTE), Verdict(safe=False, codes=("b",), names=("B",), release=True, reason="seen")),
        ((RELEASE, BLOCK), Verdict(safe=False, codes=("b", "a"), names=("B", "A"), reason="seen")),
    ],
    ids=["none", "note", "block", "release", "both"],
)
def test_the_verdict_of_some_rules(rules, expected):
    """Those that block are named and give the reason; all of them must release; notes are told where none blocks."""
    assert verdict_of(iter(rules), "seen") == expected


def test_a_violation_of_the_floor_is_released_by_nobody():
    """Whatever rule with release matches beside it."""
    both = combine((verdict_of((RELEASE,), "words"), floor_verdict("minors", "Minors", "seen")))
    assert (both.safe, both.floor, both.release, both.codes) == (False, True, False, ("b", "minors"))
