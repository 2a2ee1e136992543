"""Moderation reviewer: an OpenAI-compatible moderations endpoint. Its categories count where the ruleset has a rule for them.

Some categories are judged on text alone, `sexual/minors` among them; `category_applied_input_types` says which. So a picture that
is flagged as sexual meets the floor where the words name a child, and an answer that applies to no picture is none about one.
"""

from typing import Any

import msgspec

from imgen.domain.errors import ConfigurationError, ReviewerUnavailable
from imgen.domain.review.floor import MINORS, MINORS_LABEL, names_child
from imgen.domain.review.judge import split_roles
from imgen.domain.review.verdict import Verdict, combine, floor_verdict, verdict_of
from imgen.settings import Settings
from imgen.settings.layers import read_toml
from workers.reviewers import ReviewInput
from workers.reviewers.upstream import ReviewerClient, data_uri

FLOOR_CATEGORIES = frozenset({"sexual/minors"})
"""Categories that block under every ruleset."""
SEXUAL_CATEGORY = "sexual"
IMAGE = "image"
"""Input type of a picture, in the endpoint's words."""


class _Result(msgspec.Struct):
    flagged: bool
    categories: dict[str, bool | None]
    category_applied_input_types: dict[str, list[str] | None] | None = None
    """Input types, `text` and `image`, that each category was judged on; None: the endpoint does not tell."""

    def is_judged_on_image(self, category: str) -> bool:
        types = self.category_applied_input_types
        return not types or IMAGE in (types.get(category) or ())

    @property
    def saw_image(self) -> bool:
        types = self.category_applied_input_types
        return not types or any(IMAGE in (applied or ()) for applied in types.values())


class _Answer(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Answer).decode


def load(settings: Settings) -> "ModerationReviewer":
    """Reads the categories' mapping, see REVIEWERS."""
    path = settings.config_dir / "moderation.toml"
    try:
        categories = msgspec.convert(read_toml(path), dict[str, tuple[str, ...]])
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc
    return ModerationReviewer(ReviewerClient(settings.review), settings.review.moderation_model, categories)


class ModerationReviewer:
    """Reviewer that sends the positive words and the picture in one request."""

    sees_pictures = True

    def __init__(self, upstream: ReviewerClient, model: str, categories: dict[str, tuple[str, ...]]) -> None:
        """`categories`: rule ids by the endpoint's category; the first of them that the ruleset has counts."""
        self._upstream = upstream
        self._model = model
        self._categories = categories

    def review(self, subject: ReviewInput) -> Verdict:
        """See Reviewer."""
        words = "\n".join(text for _, text in split_roles(subject.parts).positive if text)
        inputs: list[Any] = [{"type": "text", "text": words}] if words else []  # an enhanced picture may have none
        if subject.pixels is not None:
            inputs.append({"type": "image_url", "image_url": {"url": data_uri(subject.pixels)}})
        body = self._upstream.ask(
            lambda client: client.moderations.with_streaming_response.create(model=self._model, input=inputs)
        )
        try:
            results = _decode(body).results
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
            raise ReviewerUnavailable("the moderation's answer is none") from exc
        if not results:
            raise ReviewerUnavailable("the moderation's answer is empty")
        if subject.pixels is not None and not any(result.saw_image for result in results):
            raise ReviewerUnavailable("the moderation did not look at the picture; its model reads text alone")
        met = {name for result in results for name, is_met in result.categories.items() if is_met}
        unknown = met - self._categories.keys() - FLOOR_CATEGORIES
        if any(result.flagged for result in results) and (unknown or not met):
            raise ReviewerUnavailable(
                f"the moderation flagged what moderation.toml does not know: {', '.join(sorted(unknown))}"
            )
        is_sexual = any(
            result.categories.get(SEXUAL_CATEGORY) and result.is_judged_on_image(SEXUAL_CATEGORY) for result in results
        )
        meets_floor = bool(met & FLOOR_CATEGORIES) or (
            is_sexual and subject.pixels is not None and names_child(subject.parts)
        )
        return combine(self._verdicts(subject, met, meets_floor=meets_floor))

    def _verdicts(self, subject: ReviewInput, met: set[str], *, meets_floor: bool) -> list[Verdict]:
        verdicts = [Verdict(safe=True)]
        if meets_floor:
            verdicts.append(floor_verdict(MINORS, MINORS_LABEL, "moderation"))
        rules = {rule.id: rule for rule in subject.ruleset.ruleset.rules}
        for name in sorted(met - FLOOR_CATEGORIES):
            rule = next((rules[rule_id] for rule_id in self._categories[name] if rule_id in rules), None)
            if rule is not None:
                verdicts.append(verdict_of((rule,), f"moderation: {name}"))
        return verdicts

    def close(self) -> None:
        """See Reviewer."""
        self._upstream.close()
