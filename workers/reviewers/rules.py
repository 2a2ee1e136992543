"""Rules reviewer: the ruleset's terms and patterns over all words. Sees no picture, asks no service."""

from imgen.domain.review.judge import judge
from imgen.domain.review.verdict import Verdict
from imgen.settings import Settings
from workers.reviewers import ReviewInput


def load(_settings: Settings) -> "RulesReviewer":
    """Makes the reviewer, see REVIEWERS."""
    return RulesReviewer()


class RulesReviewer:
    """Reviewer of words that is never unavailable."""

    sees_pictures = False

    def review(self, subject: ReviewInput) -> Verdict:
        """See Reviewer."""
        return judge(subject.ruleset, subject.parts)

    def close(self) -> None:
        """Does nothing: there is nothing to close."""
