"""Rulesets and verdicts: what words a ruleset refuses, and what was found. Sees no picture; the floor is in floor.py.

Which part of a request counts for what:
- *Wanted* text is all that may end up in the picture or beside it: prompt, positive terms, character, credentials, and
  any part this module has no other role for. Rules look here.
- *Negatives* (`-terms` and the explicit negative) say what must not be seen. `-nude` protects, so a rule's terms do
  not match there. Only what a rule lists as `unwanted` counts: who asks clothes away asks for nudity.
- *Hints* (`precompliance`) are a stranger's notes such as "sexual: none". They are never drawn, so they block nothing
  and excuse nothing; what they name is kept as a suspicion for the reviewer of the picture.
Whole prompts are split into the first two the way `parse` does it. Pass the engine's `positive` as a part of its own as
well: then nothing that is drawn can hide behind a `-`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from imgen.domain.errors import ConfigurationError
from imgen.domain.folding import compile_terms, variants
from imgen.domain.prompt import Term, read_terms

WHOLE_PROMPTS = frozenset({"prompt", "original_prompt"})
NEGATIVES = frozenset({"negative", "negative_prompt"})
HINTS = frozenset({"precompliance"})

_LITERAL = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_REPEAT = re.compile(r"\)?(?:[*+]|\{[^}]*\})")
_BOUNDED = re.compile(r"\{(?:\d+,)?(\d+)\}")
_MAX_REPEATS = 3
_MAX_TIMES = 40
_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*\\[1-9]|\(\?P=")

_Reading = tuple[str, tuple[str, ...]]
"""A part's name and the readings of its text."""


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a ruleset looks for. Terms are written as folding.compile_terms reads them."""

    id: str
    """Told as `filter_categories`."""
    name: str
    """Told to callers: "flagged for: <name>"."""
    description: str
    """For the reviewer of the picture."""
    terms: dict[str, tuple[str, ...]] = {}
    """Language code → terms; the code is for people, all are looked for in any text."""
    patterns: tuple[str, ...] = ()
    """Regular expressions over folded text; repeats must be bounded, see `compile_ruleset`."""
    allow: tuple[str, ...] = ()
    """Harmless phrases; a term inside one does not count."""
    unwanted: tuple[str, ...] = ()
    """Negative terms that ask for the same thing by asking its opposite away."""
    action: Literal["block", "note"] = "block"
    """`note` adds the id to `compliance_codes` and lets the picture pass."""
    release: bool = False
    """Whether the caller may get a picture that this rule blocked, as `unsafe_url`."""


class Ruleset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of config/rulesets/. `id` is the file's name."""

    id: str
    label: str
    rules: tuple[Rule, ...]


class Match(Struct, frozen=True, kw_only=True):
    """Where a rule was met. `term` is caller's text, folded: for the reviewer and the audit, never for logs."""

    rule_id: str
    name: str
    part: str
    term: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What reviewing found, by rules or by a reviewer."""

    safe: bool
    codes: tuple[str, ...] = ()
    """Ids of the rules that were met: those that block where `safe` is false, else those that only note."""
    names: tuple[str, ...] = ()
    """The same rules' names."""
    floor: bool = False
    """The floor was met: nothing releases this, under no ruleset."""
    release: bool = False
    """The caller may get the blocked picture. Always false where `safe` or `floor`."""
    reason: str = ""
    """One line for operators, without the caller's words."""
    suspicions: tuple[str, ...] = ()
    """Rule ids that only hints named."""
    matches: tuple[Match, ...] = ()


class Sides(Struct, frozen=True, kw_only=True):
    """The parts of a request by role. Each text is (part's name, text); negatives are one term each."""

    wanted: tuple[tuple[str, str], ...]
    negative: tuple[tuple[str, str], ...]
    hints: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _CompiledRule:
    rule: Rule
    wanted: tuple[re.Pattern[str], ...]
    allow: re.Pattern[str]
    unwanted: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class CompiledRuleset:
    """A ruleset ready to judge. Immutable; share it between threads."""

    ruleset: Ruleset
    rules: tuple[_CompiledRule, ...]


def parse_ruleset(key: str, document: Mapping[str, object]) -> Ruleset:
    """Builds a ruleset from a parsed TOML document; `key` is its file's name without suffix.

    Raises:
        msgspec.ValidationError: a key is missing, unknown or of the wrong type; the message names its path.
    """
    return msgspec.convert({"id": key, **document}, Ruleset)


def compile_ruleset(ruleset: Ruleset) -> CompiledRuleset:
    """Prepares a ruleset.

    Patterns must be cheap on any text: only `?` and bounded repeats (`{2}`, `{0,20}`), at most three of up to 40 times,
    none on a group, no back-references. Then a match tries a bounded number of ways at each letter.

    Raises:
        ConfigurationError: a pattern is wrong or may be slow, a term holds no letter, an id comes twice.
    """
    ids = [rule.id for rule in ruleset.rules]
    if len(set(ids)) < len(ids):
        raise ConfigurationError(f"ruleset {ruleset.id}: a rule id comes twice")
    return CompiledRuleset(ruleset=ruleset, rules=tuple(_compile_rule(ruleset.id, rule) for rule in ruleset.rules))


def judge(compiled: CompiledRuleset, parts: Mapping[str, str]) -> Verdict:
    """What the ruleset says about the words of a request; `parts` maps a part's name to its text. Linear time.

    The floor is not looked at here: the board of reviewers judges it first, whatever the ruleset (workers/reviewers).
    """
    sides = split_sides(parts)
    wanted, negative, hints = _read(sides.wanted), _read(dict.fromkeys(sides.negative)), _read(sides.hints)
    matches = tuple(match for item in compiled.rules for match in (*_found(item, wanted), *_asked_away(item, negative)))
    blocking = _rules_of(compiled, matches, "block")
    told = blocking or _rules_of(compiled, matches, "note")
    certain = {match.rule_id for match in matches}
    hinted = {match.rule_id for item in compiled.rules for match in _found(item, hints)}
    return Verdict(
        safe=not blocking,
        codes=tuple(rule.id for rule in told),
        names=tuple(rule.name for rule in told),
        release=bool(blocking) and all(rule.release for rule in blocking),
        reason=f"ruleset {compiled.ruleset.id}: {', '.join(rule.id for rule in blocking)}" if blocking else "",
        suspicions=tuple(rule.id for rule in compiled.ruleset.rules if rule.id in hinted - certain),
        matches=matches,
    )


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict out of several on the same picture: any that blocks decides; without a verdict nothing is safe.

    Nobody's "safe" lifts another's block, and a picture is released only if everyone who blocks it would release it.
    """
    every = tuple(verdicts)
    blocking = tuple(verdict for verdict in every if verdict.floor or not verdict.safe)
    told = blocking or every
    floor = any(verdict.floor for verdict in every)
    named = dict(pair for verdict in told for pair in zip(verdict.codes, verdict.names, strict=True))
    return Verdict(
        safe=bool(every) and not blocking,
        codes=tuple(named),
        names=tuple(named.values()),
        floor=floor,
        release=bool(blocking) and not floor and all(verdict.release for verdict in blocking),
        reason="; ".join(verdict.reason for verdict in blocking if verdict.reason) or ("" if every else "not reviewed"),
        suspicions=tuple(dict.fromkeys(code for verdict in every for code in verdict.suspicions)),
        matches=tuple(match for verdict in every for match in verdict.matches),
    )


def split_sides(parts: Mapping[str, str]) -> Sides:
    """Sorts parts by role; whole prompts and explicit negatives are taken apart into terms."""
    wanted: list[tuple[str, str]] = []
    negative: list[tuple[str, str]] = []
    for part, text in parts.items():
        terms = tuple(read_terms(text)) if part in WHOLE_PROMPTS | NEGATIVES else ()
        if part in WHOLE_PROMPTS:
            wanted.append((part, ", ".join(_wanted_words(terms))))
            negative.extend((part, term.text) for term in terms if term.is_negative)
        elif part in NEGATIVES:
            negative.extend((part, " ".join((term.text, *term.names))) for term in terms)
        elif part not in HINTS:
            wanted.append((part, text))
    return Sides(
        wanted=tuple(wanted),
        negative=tuple(negative),
        hints=tuple((part, text) for part, text in parts.items() if part in HINTS),
    )


def _wanted_words(terms: Iterable[Term]) -> Iterator[str]:
    for term in terms:
        yield from term.names
        if not term.is_negative:
            yield term.text


def _compile_rule(ruleset_id: str, rule: Rule) -> _CompiledRule:
    try:
        return _CompiledRule(
            rule=rule,
            wanted=(
                compile_terms(term for terms in rule.terms.values() for term in terms),
                *(re.compile(_cheap(pattern)) for pattern in rule.patterns),
            ),
            allow=compile_terms(rule.allow),
            unwanted=re.compile(f" (?:{compile_terms(rule.unwanted).pattern}) "),
        )
    except (ValueError, re.error) as exc:
        raise ConfigurationError(f"ruleset {ruleset_id}, rule {rule.id}: {exc}") from exc


def _cheap(pattern: str) -> str:
    r"""The pattern itself, if a match can only try a bounded number of ways.

    Raises:
        ValueError: it may be slow, or it matches the empty text.
    """
    if _BACK_REFERENCE.search(pattern):
        raise ValueError(f"pattern {pattern!r} refers back")
    repeats = _REPEAT.findall(_LITERAL.sub("x", pattern))
    bounds = [_BOUNDED.fullmatch(repeat) for repeat in repeats]
    if len(repeats) > _MAX_REPEATS or not all(bound and int(bound[1]) <= _MAX_TIMES for bound in bounds):
        raise ValueError(f"pattern {pattern!r} repeats without bound, repeats a group, or repeats too often")
    if re.search(pattern, ""):
        raise ValueError(f"pattern {pattern!r} matches the empty text")
    return pattern


def _read(texts: Iterable[tuple[str, str]]) -> tuple[_Reading, ...]:
    return tuple((part, variants(text)) for part, text in texts if text)


def _found(item: _CompiledRule, readings: Iterable[_Reading]) -> Iterator[Match]:
    """The rule's first match in each part."""
    for part, folded in readings:
        term = next((term for text in folded for term in _terms_in(item, text)), None)
        if term is not None:
            yield Match(rule_id=item.rule.id, name=item.rule.name, part=part, term=term)


def _terms_in(item: _CompiledRule, folded: str) -> Iterator[str]:
    """What the rule's patterns match in one folded text, except inside harmless phrases."""
    hits = [hit for pattern in item.wanted for hit in pattern.finditer(folded)]
    harmless = [phrase.span() for phrase in item.allow.finditer(folded)] if hits else []
    for hit in hits:
        if not any(start <= hit.start() and hit.end() <= end for start, end in harmless):
            yield hit.group()


def _asked_away(item: _CompiledRule, readings: Iterable[_Reading]) -> Iterator[Match]:
    """Negative terms that are, as a whole, one of the rule's `unwanted`."""
    for part, folded in readings:
        if any(item.unwanted.fullmatch(text) for text in folded):
            yield Match(rule_id=item.rule.id, name=item.rule.name, part=part, term=folded[0].strip())


def _rules_of(compiled: CompiledRuleset, matches: Iterable[Match], action: str) -> tuple[Rule, ...]:
    met = {match.rule_id for match in matches}
    return tuple(rule for rule in compiled.ruleset.rules if rule.id in met and rule.action == action)
