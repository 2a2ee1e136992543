"""Enhancers of prompts: a chat endpoint where one is configured, else words from the style and the word lists.

Only the positive part changes. The answer of a chat model is parsed as plain terms: it adds neither characters nor negatives,
and is reviewed like any other prompt.
"""

from typing import Any, Protocol

import msgspec
import structlog

from imgen.domain.catalog import Model, Style
from imgen.domain.embedded_enhancer import expand
from imgen.domain.errors import ConfigurationError, EnhancementFailed, UpstreamPaused, UpstreamUnavailable
from imgen.domain.prompt import Parsed, plain_terms
from imgen.domain.wordlists import Wordlists
from imgen.settings.sections import Enhancer as EnhancerSettings
from imgen.upstream.chat import REFUSED, ChatDialect, ChatRequest, ask_chat
from imgen.upstream.chat_answer import answered_object
from imgen.upstream.openai_client import MALFORMED, Limits, OpenAIClient

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 64 * 1024
MAX_ANSWER_TOKENS = 1024


class Enhancer(Protocol):
    """Rewriter of the positive terms of a prompt."""

    async def terms(self, positive: tuple[str, ...], model: Model, style: Style) -> tuple[str, ...]:
        """Returns improved terms; the same ones if there is nothing to improve.

        Raises:
            EnhancementFailed: no usable answer within the time allowed.
        """

    def use(self, words: Wordlists, instructions: str) -> None:
        """Takes word lists and instructions that were read again."""

    async def close(self) -> None:
        """Closes connections."""


async def enhance(enhancer: Enhancer, parsed: Parsed, model: Model, style: Style) -> Parsed:
    """Improves the positive terms of a prompt; character and negatives stay."""
    if not parsed.positive:
        return parsed
    terms = await enhancer.terms(parsed.positive, model, style)
    return Parsed(character=parsed.character, positive=terms, negative=parsed.negative)


def open_enhancer(settings: EnhancerSettings, words: Wordlists, instructions: str) -> Enhancer:
    """Opens the configured enhancer.

    Raises:
        ConfigurationError: a base URL without a model.
    """
    if not settings.base_url:
        return EmbeddedEnhancer(words)
    if not settings.model:
        raise ConfigurationError("[enhancer] base_url is set but model is not")
    return ChatEnhancer(settings, instructions)


class EmbeddedEnhancer:
    """Enhancer that adds words from the style and the word lists; the same words for the same prompt."""

    def __init__(self, words: Wordlists) -> None:
        self._words = words

    async def terms(self, positive: tuple[str, ...], model: Model, style: Style) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        """See Enhancer."""
        return expand(positive, style.hints, self._words)

    def use(self, words: Wordlists, instructions: str) -> None:  # noqa: ARG002 - the Protocol's
        """See Enhancer."""
        self._words = words

    async def close(self) -> None:
        """Does nothing."""


class _Answer(msgspec.Struct):
    prompt: str


class ChatEnhancer:
    """Enhancer by an OpenAI-compatible chat endpoint."""

    def __init__(self, settings: EnhancerSettings, instructions: str) -> None:
        self._settings = settings
        self._instructions = instructions
        # The library's limit is for each of its two tries and each read
        limits = Limits(total_s=settings.timeout_s * 1.5, max_bytes=MAX_ANSWER_BYTES, max_retries=1, harmless=REFUSED)
        self._client = OpenAIClient(settings, limits)
        self._dialect = ChatDialect()

    async def terms(self, positive: tuple[str, ...], model: Model, style: Style) -> tuple[str, ...]:
        """See Enhancer."""
        messages: Any = [
            {"role": "system", "content": self._instructions_for(model, style)},
            {"role": "user", "content": ", ".join(positive)},
        ]
        request = ChatRequest(
            model=self._settings.model,
            messages=messages,
            schema_name="enhanced_prompt",
            schema=_SCHEMA,
            max_tokens=MAX_ANSWER_TOKENS,
        )
        try:
            answer = answered_object(await ask_chat(self._client, self._dialect, request), _Answer)
        except UpstreamPaused as exc:
            raise EnhancementFailed from exc
        except UpstreamUnavailable as exc:
            log.warning("enhancer failed", reason=str(exc), status=exc.status)
            raise EnhancementFailed from exc
        except MALFORMED as exc:  # may be caused by the prompt: the breaker does not count it
            log.warning("enhancer failed", reason=type(exc).__name__, status=None)
            raise EnhancementFailed from exc
        self._client.breaker.succeeded()
        terms = plain_terms(answer.prompt, max_chars=self._settings.max_chars)
        if not terms:
            raise EnhancementFailed
        return terms

    def use(self, words: Wordlists, instructions: str) -> None:  # noqa: ARG002 - the Protocol's
        """See Enhancer."""
        self._instructions = instructions

    async def close(self) -> None:
        """Closes the client's connections."""
        await self._client.close()

    def _instructions_for(self, model: Model, style: Style) -> str:
        values = {"{model_label}": model.label, "{style_label}": style.label, "{style_hints}": style.hints}
        text = self._instructions
        for name, value in values.items():
            text = text.replace(name, value)
        return text


_SCHEMA = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}},
    "required": ["prompt"],
    "additionalProperties": False,
}
