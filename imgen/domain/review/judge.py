"""Review of a request's words by a ruleset. Reviews no picture; the floor is in floor.py.

Roles of the parts of a request:
- *Positive* text is all that may appear in the picture or beside it: prompt, positive terms, character, credentials, and
  any part without another role here. A rule's terms match in it.
- *Negatives* (`-terms` and the explicit negative) name things to keep out of the picture. `-nude` protects, so a rule's terms
  do not match there. Only a rule's `unwanted` terms do: a request that asks clothes away asks for nudity.
- *Hints* (`precompliance`) are notes of the caller's own review, such as "sexual: none". They are never drawn, so they block
  nothing and excuse nothing; rules that match in them are flagged for the reviewer of the picture.
Whole prompts are split into the first two in the way of `parse`. Pass the engine's `positive` as a part of its own as
well: then nothing that is drawn escapes review behind a `-`.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, structs

from imgen.domain.folding import readings
from imgen.domain.prompt import Term, parse_terms
from imgen.domain.review.ruleset import CompiledRule, CompiledRuleset
from imgen.domain.review.verdict import Match, Verdict, verdict_of

WHOLE_PROMPTS = frozenset({"prompt", "original_prompt"})
NEGATIVES = frozenset({"negative", "negative_prompt"})
HINTS = frozenset({"precompliance"})

NormalizedPart = tuple[str, tuple[str, ...]]
"""Name of a part and the readings of its text."""


class PromptRoles(Struct, frozen=True, kw_only=True):
    """Parts of a request by role. Each entry is (name of the part, text); negatives are one term each."""

    positive: tuple[tuple[str, str], ...]
    negative: tuple[tuple[str, str], ...]
    hints: tuple[tuple[str, str], ...]


def judge(compiled: CompiledRuleset, parts: Mapping[str, str]) -> Verdict:
    """Applies a ruleset to the words of a request; `parts` maps the name of a part to its text. Linear time.

    Leaves out the floor: the reviewer chain checks it first, under every ruleset (workers/reviewers).
    """
    roles = split_roles(parts)
    positive, hints = normalize(roles.positive), normalize(roles.hints)
    negative = normalize(dict.fromkeys(roles.negative))
    matches = tuple(
        match
        for item in compiled.rules
        for match in (*_matched_terms(item, positive), *_matched_negatives(item, negative))
    )
    certain = {match.rule_id for match in matches}
    hinted = {match.rule_id for item in compiled.rules for match in _matched_terms(item, hints)}
    rules = compiled.ruleset.rules
    blocking = ", ".join(rule.id for rule in rules if rule.id in certain and rule.action == "block")
    return structs.replace(
        verdict_of((rule for rule in rules if rule.id in certain), f"ruleset {compiled.ruleset.id}: {blocking}"),
        flags=tuple(rule.id for rule in rules if rule.id in hinted - certain),
        matches=matches,
    )


def split_roles(parts: Mapping[str, str]) -> PromptRoles:
    """Sorts parts by role; parses whole prompts and explicit negatives into terms."""
    positive: list[tuple[str, str]] = []
    negative: list[tuple[str, str]] = []
    for part, text in parts.items():
        terms = tuple(parse_terms(text)) if part in WHOLE_PROMPTS | NEGATIVES else ()
        if part in WHOLE_PROMPTS:
            positive.append((part, ", ".join(_positive_words(terms))))
            negative.extend((part, term.text) for term in terms if term.is_negative)
        elif part in NEGATIVES:
            negative.extend((part, " ".join((term.text, *term.names))) for term in terms)
        elif part not in HINTS:
            positive.append((part, text))
    return PromptRoles(
        positive=tuple(positive),
        negative=tuple(negative),
        hints=tuple((part, text) for part, text in parts.items() if part in HINTS),
    )


def normalize(texts: Iterable[tuple[str, str]]) -> tuple[NormalizedPart, ...]:
    """Replaces the text of each part by its readings; drops empty parts."""
    return tuple((part, readings(text)) for part, text in texts if text)


def _positive_words(terms: Iterable[Term]) -> Iterator[str]:
    for term in terms:
        yield from term.names
        if not term.is_negative:
            yield term.text


def _matched_terms(item: CompiledRule, parts: Iterable[NormalizedPart]) -> Iterator[Match]:
    """Yields the rule's first match in each part."""
    for part, texts in parts:
        term = next((term for text in texts for term in _terms_in(item, text)), None)
        if term is not None:
            yield Match(rule_id=item.rule.id, name=item.rule.name, part=part, term=term)


def _terms_in(item: CompiledRule, folded: str) -> Iterator[str]:
    """Yields the rule's matches in one folded text, except inside harmless phrases."""
    hits = [hit for pattern in item.terms for hit in pattern.finditer(folded)]
    harmless = [phrase.span() for phrase in item.allow.finditer(folded)] if hits else []
    for hit in hits:
        if not any(start <= hit.start() and hit.end() <= end for start, end in harmless):
            yield hit.group()


def _matched_negatives(item: CompiledRule, parts: Iterable[NormalizedPart]) -> Iterator[Match]:
    """Yields a match for each negative term that equals one of the rule's `unwanted` terms."""
    for part, texts in parts:
        if any(item.unwanted.fullmatch(text) for text in texts):
            yield Match(rule_id=item.rule.id, name=item.rule.name, part=part, term=texts[0].strip())
