"""The embedded reviewer: the ruleset's terms and patterns over all words. Sees no picture."""

from imgen.domain.review.judge import judge
from imgen.domain.review.verdict import Verdict
from imgen.settings import Settings
from workers.reviewers import Case


def load(_settings: Settings) -> "RulesReviewer":
    """See REVIEWERS."""
    return RulesReviewer()


class RulesReviewer:
    """Needs nobody else, and is never unavailable."""

    sees_pictures = False

    def review(self, case: Case) -> Verdict:
        """See Reviewer."""
        return judge(case.ruleset, case.parts)

    def close(self) -> None:
        """Nothing to close."""
