"""Nudity reviewer: a small detector that looks at pictures offline. Sees bare bodies, nothing else; sees no age.

Exposed nudity meets the rule `sexual`, or `nudity`, of a ruleset that has it. Where the words name a child it meets the floor,
under every ruleset.
"""

from typing import Protocol

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.floor import MINORS, MINORS_LABEL, names_child
from imgen.domain.review.ruleset import SEXUAL
from imgen.domain.review.verdict import Verdict, floor_verdict, verdict_of
from imgen.settings import Settings
from workers.reviewers import ReviewInput
from workers.reviewers.nudity_detector import load_detector

NUDITY = "nudity"
RULES = (SEXUAL, NUDITY)
"""Ids of the rules for it; the first that the ruleset has counts."""
EXPOSED = frozenset(
    {
        "FEMALE_BREAST_EXPOSED",
        "FEMALE_GENITALIA_EXPOSED",
        "MALE_GENITALIA_EXPOSED",
        "BUTTOCKS_EXPOSED",
        "ANUS_EXPOSED",
    }
)
"""Labels that are nudity. Bare feet, bellies, armpits and men's chests are not, nor is anything covered."""


class Detector(Protocol):
    """Detector of body parts."""

    labels: tuple[str, ...]

    def scores(self, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """Returns the best score by label, 0–1, in a picture (H, W, 3) uint8."""


def load(settings: Settings) -> "NudityReviewer":
    """Loads the detector, see REVIEWERS."""
    review = settings.review
    return NudityReviewer(
        load_detector(), threshold=review.nudity_threshold, child_threshold=review.nudity_child_threshold
    )


class NudityReviewer:
    """Reviewer that never waits for anybody."""

    sees_pictures = True

    def __init__(self, detector: Detector, *, threshold: float, child_threshold: float) -> None:
        """`child_threshold` is the score that counts where the words name a child.

        Raises:
            ConfigurationError: the detector does not know a label of nudity.
        """
        if missing := EXPOSED.difference(detector.labels):
            raise ConfigurationError(f"the nudity detector has no {', '.join(sorted(missing))}: another version of it")
        self._detector = detector
        self._threshold = threshold
        self._child_threshold = child_threshold

    def review(self, subject: ReviewInput) -> Verdict:
        """See Reviewer."""
        if subject.pixels is None:
            return Verdict(safe=True)
        is_child = names_child(subject.parts)
        threshold = self._child_threshold if is_child else self._threshold
        scores = self._detector.scores(subject.pixels)
        found = sorted(label for label in EXPOSED if scores[label] >= threshold)
        if not found:
            return Verdict(safe=True)
        reason = f"nudity: {', '.join(f'{label} {scores[label]:.2f}' for label in found)}"
        if is_child:
            return floor_verdict(MINORS, MINORS_LABEL, reason)
        rules = {rule.id: rule for rule in subject.ruleset.ruleset.rules}
        verdict = verdict_of([rules[rule_id] for rule_id in RULES if rule_id in rules][:1], reason)
        # The flag keeps it out of the cache: another request for it may name a child.
        return structs.replace(verdict, flags=(NUDITY,))

    def close(self) -> None:
        """Does nothing: the detector stays for the next reviewer of this process."""
