"""Reviewers: the floor (rules that no configuration lifts) and the match lists always, then the configured ones in their order.

A new reviewer is one file and one line in REVIEWERS.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.floor import judge_floor
from imgen.domain.review.ruleset import CompiledRuleset
from imgen.domain.review.verdict import Verdict, combine
from imgen.provenance import outside
from imgen.provenance.hash_matcher import HASH_MATCH, INCONCLUSIVE, HashMatcher
from imgen.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ReviewInput:
    """Words and pixels to be reviewed, and the ruleset for them."""

    ruleset: CompiledRuleset
    parts: Mapping[str, str]
    """Words of the request by part; domain/review/judge.py has the parts and their roles."""
    pixels: NDArray[np.uint8] | None = None
    """(H, W, 3) uint8, sRGB: the render, the same with its logo, or a view of the logo; None before anything is drawn."""
    details: tuple[NDArray[np.uint8], ...] = ()
    """Parts of the pixels that the match lists see apart, such as the place of the logo."""
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
    "nudity": "workers.reviewers.nudity",
    "moderation": "workers.reviewers.moderation",
    "vision": "workers.reviewers.vision",
}
"""Module with `load(settings) -> Reviewer`, by the name in `[review] reviewers`."""


MAX_ADMITTED = 1024
"""Pictures from outside that a chain remembers as harmless, 200 bytes each."""


class ReviewerChain:
    """Floor, match lists and configured reviewers, asked one after the other."""

    def __init__(self, matcher: HashMatcher, reviewers: Sequence[Reviewer]) -> None:
        self._matcher = matcher
        self._reviewers = tuple(reviewers)
        self._admitted: set[Hashable] = set()

    def review(self, subject: ReviewInput) -> Verdict:
        """Returns the combined verdict on words, or on words and picture.

        Raises:
            ReviewerUnavailable: see Reviewer; nothing is safe then.
        """
        verdicts = [judge_floor(subject.parts) or Verdict(safe=True)]
        if subject.pixels is not None:
            verdicts += [self._matcher.judge(subject.pixels), self._matcher.judge_views(subject.details)]
        is_doubted = any(HASH_MATCH in verdict.flags for verdict in verdicts)
        is_new = subject.pixels is not None and (not subject.already_reviewed or is_doubted)
        asked = [reviewer for reviewer in self._reviewers if is_new or not reviewer.sees_pictures]
        verdict = _ask(asked, subject, verdicts)
        if verdict.safe and HASH_MATCH in verdict.flags and not any(reviewer.sees_pictures for reviewer in asked):
            return combine((verdict, INCONCLUSIVE))
        return verdict

    def review_outside(self, subject: ReviewInput, image: NDArray[np.uint8], *, rotation: int = 0) -> Verdict:
        """Returns the verdict on a picture from outside: a logo, a source. The one gate for all of them.

        The match lists see it in every form in which a listed picture could be hidden, and each reviewer of pictures looks at it.
        One that passed without a note is admitted at once the next time, as long as rules, reviewers and lists are the same.

        Args:
            subject: the ruleset and the words that it is to be used with; its pixels are left out.
            image: (h, w, 3) or (h, w, 4) uint8, sRGB, straight alpha.
            rotation: degrees, clockwise, by which it will be turned.

        Raises:
            ReviewerUnavailable: see Reviewer.
        """
        digest = hashlib.blake2b(image.tobytes()).digest()
        key = (digest, image.shape, rotation, subject.ruleset.ruleset.id, self._matcher.version)
        if key in self._admitted:
            return Verdict(safe=True)
        listed = self._matcher.judge_views(outside.views(image, rotation=rotation))
        if not listed.safe:
            return listed
        lookers = [reviewer for reviewer in self._reviewers if reviewer.sees_pictures]
        looks = [_ask(lookers, replace(subject, pixels=face), [listed]) for face in outside.faces(image)]
        verdict = combine(looks)
        if verdict == Verdict(safe=True):
            if len(self._admitted) >= MAX_ADMITTED:
                self._admitted.clear()
            self._admitted.add(key)
        return verdict

    def compare_outside(self, image: NDArray[np.uint8]) -> Verdict:
        """Returns the match lists' verdict on a picture from outside that nobody will see, such as a mask, (h, w, 3) uint8."""
        return self._matcher.judge_views(outside.views(image))

    def close(self) -> None:
        """Closes every reviewer's connections."""
        for reviewer in self._reviewers:
            reviewer.close()


def _ask(reviewers: Iterable[Reviewer], subject: ReviewInput, verdicts: Iterable[Verdict]) -> Verdict:
    """Asks some reviewers one after the other and returns the combined verdict; `verdicts` are those there are already.

    The first that blocks for good is the last asked: none after it could lift that. Where the picture would be released to its
    caller the others look as well: one may find that it meets the floor, and is released to nobody.
    """
    verdict = combine(verdicts)
    for reviewer in reviewers:
        if not verdict.safe and not verdict.release:
            break
        verdict = combine((verdict, reviewer.review(replace(subject, flags=verdict.flags))))
    return verdict


def policy_digests(settings: Settings) -> dict[str, str]:
    """Returns a digest by ruleset of all that decides under it: reviewers, their models and instructions, and the rules."""
    review, folder = settings.review, settings.config_dir
    thresholds = (review.nudity_threshold, review.nudity_child_threshold)
    reviewers = repr((review.reviewers, review.base_url, review.model, review.moderation_model, thresholds))
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
    return ReviewerChain(HashMatcher(settings.match_folders), [open_reviewer(name, settings) for name in names])


def open_reviewer(name: str, settings: Settings) -> Reviewer:
    """Opens one reviewer of REVIEWERS.

    Raises:
        ConfigurationError: it lacks what it needs.
    """
    load = cast("Callable[[Settings], Reviewer]", import_module(REVIEWERS[name]).load)
    return load(settings)
