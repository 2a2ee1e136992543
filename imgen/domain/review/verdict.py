"""Verdicts of a review: matches, the verdict of rules that matched, one out of several, and the error that carries one."""

from collections.abc import Iterable

from msgspec import Struct

from imgen.domain.errors import ImgenError
from imgen.domain.review.ruleset import Rule


class Match(Struct, frozen=True, kw_only=True):
    """Match of a rule in a part. `term` is caller's text, folded: for the reviewer and the audit, never for logs."""

    rule_id: str
    name: str
    part: str
    term: str


class Verdict(Struct, frozen=True, kw_only=True, rename={"flags": "suspicions"}):
    """Result of a review, by rules or by a reviewer. That of a blocked picture is stored in the audit, as JSON."""

    safe: bool
    codes: tuple[str, ...] = ()
    """Ids of the rules that matched: those that block if `safe` is false, else those that only note."""
    names: tuple[str, ...] = ()
    """Names of the same rules."""
    floor: bool = False
    """Whether the floor was violated: then no ruleset releases the picture."""
    release: bool = False
    """Whether the caller may get the blocked picture. Always false if `safe` or `floor`."""
    reason: str = ""
    """One line for operators, without the caller's words."""
    flags: tuple[str, ...] = ()
    """Rule ids that only hints matched, or a match list doubts: for the reviewer of the picture."""
    matches: tuple[Match, ...] = ()


class PictureBlocked(ImgenError):
    """Content blocked."""

    code = "blocked"

    def __init__(self, verdict: Verdict, *, is_for_logo: bool = False) -> None:
        """`is_for_logo`: the render itself passed; the logo did not, or the picture with it."""
        super().__init__()
        self.verdict = verdict
        self.is_for_logo = is_for_logo


def verdict_of(rules: Iterable[Rule], reason: str = "") -> Verdict:
    """Makes the verdict on what matches some rules: those that block name it, else those that only note.

    Args:
        rules: all that match, in the order in which they are to be named.
        reason: kept only if one of them blocks.
    """
    matched = tuple(rules)
    blocking = tuple(rule for rule in matched if rule.action == "block")
    named = blocking or matched
    return Verdict(
        safe=not blocking,
        codes=tuple(rule.id for rule in named),
        names=tuple(rule.name for rule in named),
        release=bool(blocking) and all(rule.release for rule in blocking),
        reason=reason if blocking else "",
    )


def floor_verdict(code: str, name: str, reason: str) -> Verdict:
    """Makes the verdict on a violation of the floor, under any ruleset."""
    return Verdict(safe=False, codes=(code,), names=(name,), floor=True, reason=reason)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Joins several verdicts on the same picture: any that blocks decides; without a verdict nothing is safe.

    No reviewer's "safe" lifts another's block, and a blocked picture is released only if all that block it release it.
    """
    every = tuple(verdicts)
    blocking = tuple(verdict for verdict in every if verdict.floor or not verdict.safe)
    decisive = blocking or every
    floor = any(verdict.floor for verdict in every)
    named = dict(pair for verdict in decisive for pair in zip(verdict.codes, verdict.names, strict=True))
    return Verdict(
        safe=bool(every) and not blocking,
        codes=tuple(named),
        names=tuple(named.values()),
        floor=floor,
        release=bool(blocking) and not floor and all(verdict.release for verdict in blocking),
        reason="; ".join(verdict.reason for verdict in blocking if verdict.reason) or ("" if every else "not reviewed"),
        flags=tuple(dict.fromkeys(code for verdict in every for code in verdict.flags)),
        matches=tuple(match for verdict in every for match in verdict.matches),
    )
