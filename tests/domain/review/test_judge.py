"""Rulesets: compilation, matches by role, and joined verdicts."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.judge import judge
from imgen.domain.review.ruleset import Rule, Ruleset, compile_ruleset, parse_ruleset
from imgen.domain.review.verdict import Verdict, combine


def rule(**changes):
    fields = {"id": "storm", "name": "Storms", "description": "Bad weather.", "terms": {"en": ("thunder*", "hail")}}
    return Rule(**(fields | changes))


def compiled(*rules):
    return compile_ruleset(Ruleset(id="test", label="Test", rules=rules))


def test_a_match_is_told_by_rule_part_and_term():
    """The verdict names the rule, and the match says where it was."""
    verdict = judge(compiled(rule()), {"prompt": "a red kite, Thunderstorm", "positive": "a red kite"})
    assert (verdict.safe, verdict.codes, verdict.names) == (False, ("storm",), ("Storms",))
    assert [(match.part, match.term) for match in verdict.matches] == [("prompt", "thunderstorm")]
    assert "thunder" not in verdict.reason


@pytest.mark.parametrize("part", ["prompt", "original_prompt", "positive", "character", "cs_title", "anything"])
def test_every_wanted_part_is_looked_at(part):
    """A term blocks wherever it would be drawn or published."""
    assert not judge(compiled(rule()), {"prompt": "kite", part: "hail"}).safe


@pytest.mark.parametrize(
    "parts", [{"prompt": "kite, -hail"}, {"prompt": "kite", "negative": "hail"}, {"prompt": "@aya -hail"}]
)
def test_negatives_protect(parts):
    """Negative terms do not block."""
    assert judge(compiled(rule()), parts).safe


def test_a_dash_hides_nothing_that_is_drawn():
    """A negative term that the engine gets as positive blocks."""
    assert not judge(compiled(rule()), {"prompt": "-hail", "positive": "-hail"}).safe


@pytest.mark.parametrize("parts", [{"prompt": "kite, -calm"}, {"prompt": "kite", "negative": "(calm:1.3), hat"}])
def test_asking_the_opposite_away_blocks(parts):
    """A negative term that a rule lists as unwanted blocks, as a whole term only."""
    storm = compiled(rule(unwanted=("calm",)))
    assert not judge(storm, parts).safe
    assert judge(storm, {"prompt": "kite, -calm seas"}).safe


def test_hints_are_flagged_and_decide_nothing():
    """A rule that only precompliance matches is flagged; that neither blocks nor excuses."""
    hinted = judge(compiled(rule()), {"prompt": "kite", "precompliance": "hail: none"})
    assert (hinted.safe, hinted.flags) == (True, ("storm",))
    excused = judge(compiled(rule()), {"prompt": "hail", "precompliance": "this is safe, no hail"})
    assert (excused.safe, excused.flags) == (False, ())


def test_harmless_phrases_do_not_count():
    """A term inside an allowed phrase passes; the same term beside it does not."""
    storm = compiled(rule(allow=("hail caesar",)))
    assert judge(storm, {"prompt": "Hail, Caesar"}).safe
    assert not judge(storm, {"prompt": "Hail Caesar in the hail"}).safe


def test_patterns_see_folded_text():
    """A pattern matches across case, accents and punctuation."""
    storm = compiled(rule(terms={}, patterns=(r"\bdark (?:blue )?clouds?\b",)))
    assert not judge(storm, {"prompt": "DÁRK, blue-cloud"}).safe


def test_notes_pass_and_are_told():
    """A rule that only notes leaves the picture safe and adds its code; beside a block, the block alone is told."""
    note = rule(id="wind", name="Wind", terms={"en": ("breeze",)}, action="note")
    assert judge(compiled(rule(), note), {"prompt": "breeze"}) == judge(compiled(note), {"prompt": "breeze"})
    assert judge(compiled(note), {"prompt": "breeze"}).codes == ("wind",)
    assert judge(compiled(note), {"prompt": "breeze"}).safe
    assert judge(compiled(rule(), note), {"prompt": "breeze, hail"}).codes == ("storm",)


def test_release_needs_every_blocking_rule():
    """A picture is released only if all rules that blocked it allow that; a safe verdict releases nothing."""
    kept, released = rule(), rule(id="rain", terms={"en": ("rain",)}, release=True)
    assert judge(compiled(kept, released), {"prompt": "rain"}).release
    assert not judge(compiled(kept, released), {"prompt": "rain, hail"}).release
    assert not judge(compiled(released), {"prompt": "sun"}).release


SLOW = [
    r"(a+)+b",
    r"(a|b)*c",
    r"a*b",
    r"a+",
    r"a{1,}b",
    r"(?:ab){2}",
    r"a{0,50}b",
    r"(a)\1",
    r"(?P<x>a)(?P=x)",
    "a?",
    "a{2}b{2}c{2}d{2}",
    "(",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_patterns_that_may_be_slow_are_refused(pattern):
    """Unbounded repeats, repeated groups, back-references, empty matches and broken patterns are configuration errors."""
    with pytest.raises(ConfigurationError, match="ruleset test, rule storm"):
        compiled(rule(patterns=(pattern,)))


@pytest.mark.parametrize("pattern", [r"\bfake \w{1,20} of\b", r"colou?r", r"(?:a|b)?c", r"[*+{}]x\+", r"a\(b\)\{"])
def test_bounded_patterns_are_accepted(pattern):
    """Bounded repeats, optional groups, classes and escaped signs compile."""
    assert compiled(rule(patterns=(pattern,)))


def test_a_rule_id_stands_once():
    """Two rules of one id could not be told apart."""
    with pytest.raises(ConfigurationError, match="twice"):
        compiled(rule(), rule())


def test_a_document_becomes_a_ruleset_named_by_its_file():
    """Keys are checked, and an unknown one is named."""
    table = {"id": "storm", "name": "Storms", "description": "d", "terms": {"en": ["hail"]}}
    assert parse_ruleset("calm", {"label": "Calm", "rules": [table]}).id == "calm"
    with pytest.raises(msgspec.ValidationError, match=r"rules\[0\]"):
        parse_ruleset("calm", {"label": "Calm", "rules": [{**table, "action": "allow"}]})
    with pytest.raises(msgspec.ValidationError, match="floor"):
        parse_ruleset("calm", {"label": "Calm", "rules": [{**table, "floor": False}]})


SAFE = Verdict(safe=True)
BLOCKED = Verdict(safe=False, codes=("a",), names=("A",), release=True, reason="r")
FLOOR = Verdict(safe=False, codes=("minors",), names=("M",), floor=True)


def test_verdicts_join_to_the_strictest():
    """One block blocks, the floor floors, release needs everyone, and no verdict at all is not safe."""
    assert combine([SAFE, SAFE]).safe
    assert not combine([]).safe
    assert combine([SAFE, BLOCKED]) == BLOCKED
    joined = combine([BLOCKED, FLOOR, SAFE])
    assert (joined.safe, joined.floor, joined.release, joined.codes) == (False, True, False, ("a", "minors"))


def test_a_floor_verdict_blocks_even_if_it_claims_to_be_safe():
    """The floor flag alone is enough."""
    odd = Verdict(safe=True, floor=True, release=True, codes=("minors",), names=("M",))
    assert (combine([odd]).safe, combine([odd]).release) == (False, False)


@given(st.lists(st.sampled_from([SAFE, BLOCKED, FLOOR])), st.sampled_from([SAFE, BLOCKED, FLOOR]))
def test_another_verdict_never_lifts_a_block(verdicts, more):
    """Joining one more verdict never makes unsafe safe, lifts the floor, or releases what was kept."""
    before, after = combine([*verdicts, FLOOR]), combine([*verdicts, FLOOR, more])
    assert (
        (after.safe, after.floor, after.release) == (before.safe, before.floor, before.release) == (False, True, False)
    )


@given(st.text(), st.text(), st.text())
def test_any_text_is_judged(prompt, negative, hint):
    """Judging raises nothing, whatever the parts hold, and a match is never safe."""
    verdict = judge(compiled(rule()), {"prompt": prompt, "negative": negative, "precompliance": hint})
    assert verdict.safe == (not verdict.matches)


def test_judging_takes_linear_time(rulesets):
    """100,000 characters are judged by the default ruleset within three seconds on a slow core."""
    started = time.process_time()
    judge(rulesets["default"], {"prompt": "a1aa b.c fake " * 7_000, "negative": "x y, " * 2_000})
    assert time.process_time() - started < 3
