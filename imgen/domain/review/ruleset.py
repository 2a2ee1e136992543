"""Rulesets: terms and patterns to refuse, compiled so that a match takes linear time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from imgen.domain.errors import ConfigurationError
from imgen.domain.folding import compile_terms

SEXUAL = "sexual"
"""Id of the rule that means nudity, to all that can say nothing finer: the nudity detector, a model's safety checker."""

_LITERAL = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_REPEAT = re.compile(r"\)?(?:[*+]|\{[^}]*\})")
_BOUNDED = re.compile(r"\{(?:\d+,)?(\d+)\}")
_MAX_REPEATS = 3
_MAX_TIMES = 40
_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*\\[1-9]|\(\?P=")


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rule of a ruleset. Terms are in the form of folding.compile_terms."""

    id: str
    """Identifier, an entry of the answer's `filter_categories`."""
    name: str
    """Label in the answer: "flagged for: <name>"."""
    description: str
    """Explanation for the reviewer of the picture."""
    terms: dict[str, tuple[str, ...]] = {}
    """Language code → terms; the code is for readers only, all terms are matched in any text."""
    patterns: tuple[str, ...] = ()
    """Regular expressions over folded text; repeats must be bounded, see `compile_ruleset`."""
    allow: tuple[str, ...] = ()
    """Harmless phrases; a term inside one does not count."""
    unwanted: tuple[str, ...] = ()
    """Negative terms that ask for the refused content by asking its opposite away."""
    action: Literal["block", "note"] = "block"
    """Effect of a match; `note` adds the id to `compliance_codes` and lets the picture pass."""
    release: bool = False
    """Whether the caller may get a picture that this rule blocked, as `unsafe_url`."""


class Ruleset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ruleset, one file of config/rulesets/. `id` is the file's name."""

    id: str
    label: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """Rule as regular expressions over folded text."""

    rule: Rule
    terms: tuple[re.Pattern[str], ...]
    allow: re.Pattern[str]
    unwanted: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class CompiledRuleset:
    """Ruleset ready for `judge`. Immutable; share it between threads."""

    ruleset: Ruleset
    rules: tuple[CompiledRule, ...]


def parse_ruleset(key: str, document: Mapping[str, object]) -> Ruleset:
    """Builds a ruleset from a parsed TOML document; `key` is its file's name without suffix.

    Raises:
        msgspec.ValidationError: a key is missing, unknown or of the wrong type; the message names its path.
    """
    return msgspec.convert({"id": key, **document}, Ruleset)


def compile_ruleset(ruleset: Ruleset) -> CompiledRuleset:
    """Compiles a ruleset.

    Patterns must be cheap on any text: only `?` and bounded repeats (`{2}`, `{0,20}`), at most three of up to 40 times,
    none on a group, no back-references. Then a match tries a bounded number of ways at each letter.

    Raises:
        ConfigurationError: a pattern is wrong or may be slow, a term holds no letter, an id comes twice.
    """
    ids = [rule.id for rule in ruleset.rules]
    if len(set(ids)) < len(ids):
        raise ConfigurationError(f"ruleset {ruleset.id}: a rule id comes twice")
    return CompiledRuleset(ruleset=ruleset, rules=tuple(_compile_rule(ruleset.id, rule) for rule in ruleset.rules))


def _compile_rule(ruleset_id: str, rule: Rule) -> CompiledRule:
    try:
        return CompiledRule(
            rule=rule,
            terms=(
                compile_terms(term for terms in rule.terms.values() for term in terms),
                *(re.compile(_cheap(pattern)) for pattern in rule.patterns),
            ),
            allow=compile_terms(rule.allow),
            unwanted=re.compile(f" (?:{compile_terms(rule.unwanted).pattern}) "),
        )
    except (ValueError, re.error) as exc:
        raise ConfigurationError(f"ruleset {ruleset_id}, rule {rule.id}: {exc}") from exc


def _cheap(pattern: str) -> str:
    r"""Returns the pattern itself, if a match can only try a bounded number of ways.

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
