"""Reviewers: the floor (rules that no configuration lifts) and the match lists always, then the configured ones in their order.

A new reviewer is one file and one line in REVIEWERS.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.floor import judge_floor
from imgen.domain.review.ruleset import CompiledRuleset
from imgen.domain.review.verdict import Verdict, combine
from imgen.settings import Settings
from workers.reviewers.match_list import HASH_MATCH, INCONCLUSIVE, HashMatcher


@dataclass(frozen=True, kw_only=True)
class ReviewInput:
    """Words and pixels to be reviewed, and the ruleset for them."""

    ruleset: CompiledRuleset
    parts: Mapping[str, str]
    """Words of the request by part; domain/review/judge.py has the parts and their roles."""
    pixels: NDArray[np.uint8] | None = None
    """(H, W, 3) uint8, sRGB, unbranded; None before anything is drawn."""
    flags: tuple[str, ...] = ()
    """Rule ids that earlier reviewers flagged."""
    already_reviewed: bool = False
    """Whether the same reviewers passed these very pixels before; then only the floor, the match lists and reviewers of words
    are asked."""


class Reviewer(Protocol):
    """Reviewer of words, or of words and pictures."""

    sees_pictures: bool
    """False: it reviews words alone, also before anything is drawn."""

    def review(self, subject: ReviewInput) -> Verdict:
        """Returns the verdict under the subject's ruleset.

        Raises:
            ReviewerUnavailable: it did not answer, or not in a form that can be relied on.
        """

    def close(self) -> None:
        """Closes connections."""


REVIEWERS: dict[str, str] = {
    "rules": "workers.reviewers.rules",
    "moderation": "workers.reviewers.moderation",
    "vision": "workers.reviewers.vision",
}
"""Module with `load(settings) -> Reviewer`, by the name in `[review] reviewers`."""


class ReviewerChain:
    """Floor, match lists and configured reviewers, asked one after the other."""

    def __init__(self, matcher: HashMatcher, reviewers: Sequence[Reviewer]) -> None:
        self._matcher = matcher
        self._reviewers = tuple(reviewers)

    def review(self, subject: ReviewInput) -> Verdict:
        """Returns the combined verdict. The first that blocks without release is the last asked: none after it could lift that.

        A match with `release` ends nothing: a later reviewer may see the floor violated, and then nothing is released.

        Raises:
            ReviewerUnavailable: see Reviewer; nothing is safe then.
        """
        verdicts = [judge_floor(subject.parts) or Verdict(safe=True)]
        if subject.pixels is not None:
            verdicts.append(self._matcher.judge(subject.pixels))
        is_doubted = any(HASH_MATCH in verdict.flags for verdict in verdicts)
        is_new = subject.pixels is not None and (not subject.already_reviewed or is_doubted)
        asked = [reviewer for reviewer in self._reviewers if is_new or not reviewer.sees_pictures]
        for reviewer in asked:
            if any(not verdict.safe and not verdict.release for verdict in verdicts):
                break
            flags = tuple(code for verdict in verdicts for code in verdict.flags)
            verdicts.append(reviewer.review(replace(subject, flags=flags)))
        verdict = combine(verdicts)
        if verdict.safe and HASH_MATCH in verdict.flags and not any(reviewer.sees_pictures for reviewer in asked):
            return combine((*verdicts, INCONCLUSIVE))
        return verdict

    def close(self) -> None:
        """Closes every reviewer's connections."""
        for reviewer in self._reviewers:
            reviewer.close()


def policy_digests(settings: Settings) -> dict[str, str]:
    """Returns a digest by ruleset of all that decides under it: reviewers, their models and instructions, and the rules."""
    review, folder = settings.review, settings.config_dir
    reviewers = repr((review.reviewers, review.base_url, review.model, review.moderation_model))
    files = [folder / "moderation.toml", folder / "prompts" / "review.md"]
    common = reviewers.encode() + b"".join(path.read_bytes() for path in files if path.is_file())
    rulesets = sorted((folder / "rulesets").glob("*.toml"))
    return {path.stem: hashlib.sha256(common + path.read_bytes()).hexdigest() for path in rulesets}


def open_reviewers(settings: Settings) -> ReviewerChain:
    """Opens the configured reviewers.

    Raises:
        ConfigurationError: a reviewer is unknown or lacks what it needs, or a match list is broken.
    """
    names = settings.review.reviewers
    if unknown := [name for name in names if name not in REVIEWERS]:
        raise ConfigurationError(f"[review] reviewers: no {', '.join(unknown)}; there are {', '.join(REVIEWERS)}")
    if not names:
        raise ConfigurationError("[review] reviewers is empty: nothing is published unreviewed")
    loaders = [cast("Callable[[Settings], Reviewer]", import_module(REVIEWERS[name]).load) for name in names]
    folders = (settings.config_dir / "matches", settings.data_dir / "matches")
    return ReviewerChain(HashMatcher(folders), [load(settings) for load in loaders])
