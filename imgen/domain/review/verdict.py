"""Verdicts of a review: matches, one verdict out of several, and the error that carries one."""

from collections.abc import Iterable

from msgspec import Struct

from imgen.domain.errors import ImgenError


class Match(Struct, frozen=True, kw_only=True):
    """Place at which a rule matched. `term` is caller's text, folded: for the reviewer and the audit, never for logs."""

    rule_id: str
    name: str
    part: str
    term: str


class Verdict(Struct, frozen=True, kw_only=True):
    """Result of a review, by rules or by a reviewer."""

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


class PictureBlocked(ImgenError):
    """Content blocked."""

    code = "blocked"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Joins several verdicts on the same picture: any that blocks decides; without a verdict nothing is safe.

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
