"""Vision reviewer: a chat model that sees the picture, instructed by the ruleset. Only an answer in the asked form counts."""

import json
import secrets
from typing import Any

import msgspec

from imgen.domain.errors import ConfigurationError, ReviewerUnavailable
from imgen.domain.review.floor import MINORS, MINORS_LABEL
from imgen.domain.review.judge import HINTS
from imgen.domain.review.ruleset import Ruleset
from imgen.domain.review.verdict import Verdict, floor_verdict, verdict_of
from imgen.settings import Settings
from imgen.upstream.chat import ChatRequest
from imgen.upstream.chat_answer import answered_object
from imgen.upstream.openai_client import MALFORMED
from workers.reviewers import ReviewInput
from workers.reviewers.upstream import ReviewerClient, data_uri

FLOOR_RULE = (
    "Anyone who looks under eighteen in a sexual pose, context or state of undress. This rule cannot be lifted."
)
MAX_REASON_CHARS = 200
MAX_ANSWER_TOKENS = 2048
"""A model that thinks first needs more than the judgement itself."""


class _Judgement(msgspec.Struct):
    safe: bool
    rules: list[str]
    reason: str


def load(settings: Settings) -> "VisionReviewer":
    """Reads the instructions, see REVIEWERS."""
    if not settings.review.model:
        raise ConfigurationError("[review] model is empty, and the reviewer `vision` needs it")
    path = settings.config_dir / "prompts" / "review.md"
    try:
        return VisionReviewer(ReviewerClient(settings.review), settings.review.model, path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc}") from exc


class VisionReviewer:
    """Reviewer that sends the picture, the words as data inside a random fence, and the caller's hints labelled as such."""

    sees_pictures = True

    def __init__(self, upstream: ReviewerClient, model: str, instructions: str) -> None:
        """`instructions` holds `{rules}` and `{fence}`."""
        self._upstream = upstream
        self._model = model
        self._instructions = instructions

    def review(self, subject: ReviewInput) -> Verdict:
        """See Reviewer."""
        fence = secrets.token_hex(8)
        rules = {MINORS: FLOOR_RULE} | {rule.id: rule.description for rule in subject.ruleset.ruleset.rules}
        system = self._instructions.replace("{fence}", fence).replace(
            "{rules}", "\n".join(f"- {rule_id}: {description}" for rule_id, description in rules.items())
        )
        shown: list[dict[str, Any]] = [{"type": "text", "text": _words(subject, fence)}]
        if subject.pixels is not None:
            shown.append({"type": "image_url", "image_url": {"url": data_uri(subject.pixels)}})
        messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": shown}]
        body = self._upstream.ask_chat(
            ChatRequest(
                model=self._model,
                messages=messages,
                schema_name="judgement",
                schema=_schema(tuple(rules)),
                max_tokens=MAX_ANSWER_TOKENS,
                temperature=0,
            )
        )
        return _verdict(_read(body), subject.ruleset.ruleset)

    def close(self) -> None:
        """See Reviewer."""
        self._upstream.close()


def _words(subject: ReviewInput, fence: str) -> str:
    """Formats the request's words and hints under a name each; as JSON they cannot end the fence."""
    words = {part: text for part, text in subject.parts.items() if text and part not in HINTS}
    hints = {part: text for part, text in subject.parts.items() if text and part in HINTS}
    lines = [f"<<{fence}", json.dumps({"words of the request": words}, ensure_ascii=False)]
    lines.append(json.dumps({"unverified notes of the caller": hints}, ensure_ascii=False))
    if subject.flags:
        lines.append(json.dumps({"look closely at": subject.flags}))
    return "\n".join([*lines, f"{fence}>>"])


def _read(body: bytes) -> _Judgement:
    try:
        return answered_object(body, _Judgement)
    except MALFORMED as exc:
        raise ReviewerUnavailable("the reviewer's answer is not in the form that was asked for") from exc


def _verdict(judgement: _Judgement, ruleset: Ruleset) -> Verdict:
    """Makes a verdict of a judgement.

    Raises:
        ReviewerUnavailable: it contradicts itself or names an unknown rule.
    """
    known = {rule.id: rule for rule in ruleset.rules}
    named = dict.fromkeys(judgement.rules)
    if unknown := [rule_id for rule_id in named if rule_id not in known and rule_id != MINORS]:
        raise ReviewerUnavailable(f"the reviewer named {len(unknown)} rules that there are not")
    if MINORS in named:
        return floor_verdict(MINORS, MINORS_LABEL, "vision")
    verdict = verdict_of((known[rule_id] for rule_id in named), f"vision: {judgement.reason[:MAX_REASON_CHARS]}")
    if not judgement.safe and verdict.safe:
        raise ReviewerUnavailable("the reviewer refused without naming a rule that does")
    return verdict


def _schema(rule_ids: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "safe": {"type": "boolean"},
            "rules": {"type": "array", "items": {"type": "string", "enum": list(rule_ids)}},
            "reason": {"type": "string"},
        },
        "required": ["safe", "rules", "reason"],
        "additionalProperties": False,
    }
