"""Better prompts: a chat endpoint where one is configured, else words that the style and the word lists suggest.

Only the positive part changes. What a chat model answers is taken for plain terms: it can bring in neither characters nor
negatives, and reviewers see the result like any other prompt.
"""

import asyncio
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog

from imgen.domain.breaker import Breaker
from imgen.domain.catalog import Model, Style
from imgen.domain.embellish import embellish
from imgen.domain.errors import ConfigurationError, EnhancementFailed
from imgen.domain.prompt import Parsed, plain_terms
from imgen.domain.wordlists import Wordlists
from imgen.settings.sections import Enhancer as EnhancerSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 64 * 1024
_MISSHAPEN = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of an answer of any other shape: the client does not check it, and an error with status 200 has no `choices`."""


class Enhancer(Protocol):
    """Rewrites the positive terms of a prompt."""

    async def terms(self, positive: tuple[str, ...], model: Model, style: Style) -> tuple[str, ...]:
        """The better terms; the same ones where there is nothing to improve.

        Raises:
            EnhancementFailed: no usable answer within the time allowed.
        """

    async def close(self) -> None:
        """Closes connections."""


async def enhance(enhancer: Enhancer, parsed: Parsed, model: Model, style: Style) -> Parsed:
    """The prompt with better positive terms; its character and negatives as they were."""
    if not parsed.positive:
        return parsed
    terms = await enhancer.terms(parsed.positive, model, style)
    return Parsed(character=parsed.character, positive=terms, negative=parsed.negative)


def open_enhancer(settings: EnhancerSettings, words: Wordlists, instructions: Path) -> Enhancer:
    """The configured enhancer.

    Raises:
        ConfigurationError: a base URL without a model, or no instructions.
    """
    if not settings.base_url:
        return EmbeddedEnhancer(words)
    if not settings.model:
        raise ConfigurationError("[enhancer] base_url is set but model is not")
    try:
        return ChatEnhancer(settings, instructions.read_text("utf-8"))
    except OSError as exc:
        raise ConfigurationError(f"{instructions}: {exc}") from exc


class EmbeddedEnhancer:
    """Adds what the style and the word lists suggest; the same words for the same prompt."""

    def __init__(self, words: Wordlists) -> None:
        self._words = words

    async def terms(self, positive: tuple[str, ...], model: Model, style: Style) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        """See Enhancer."""
        return embellish(positive, style.hints, self._words)

    async def close(self) -> None:
        """Nothing to close."""


class _Answer(msgspec.Struct):
    prompt: str


class ChatEnhancer:
    """Asks an OpenAI-compatible chat endpoint."""

    def __init__(self, settings: EnhancerSettings, instructions: str) -> None:
        self._settings = settings
        self._instructions = instructions
        self._client: AsyncOpenAI | None = None
        self._breaker = Breaker(pause_s=settings.pause_s)

    async def terms(self, positive: tuple[str, ...], model: Model, style: Style) -> tuple[str, ...]:
        """See Enhancer."""
        if not self._breaker.allows():
            raise EnhancementFailed("Enhancement failed")  # again and again: it is left alone for a while
        openai = await asyncio.to_thread(import_module, "openai")  # half a second and 12 MB at first use
        try:
            # The client's own limit is for each of its two tries, and for each read
            async with asyncio.timeout(self._settings.timeout_s * 1.5):
                completion = await self._open().chat.completions.create(
                    model=self._settings.model,
                    messages=[
                        {"role": "system", "content": self._instructions_for(model, style)},
                        {"role": "user", "content": ", ".join(positive)},
                    ],
                    response_format=_RESPONSE_FORMAT,
                    max_completion_tokens=1024,
                )
            text = completion.choices[0].message.content or ""
            answer = msgspec.json.decode(text.encode("utf-8", "replace")[:MAX_ANSWER_BYTES], type=_Answer)
        except (openai.OpenAIError, TimeoutError, msgspec.DecodeError, *_MISSHAPEN) as exc:
            if isinstance(exc, openai.OpenAIError | TimeoutError):  # an odd answer may be the prompt's fault
                self._breaker.failed()
            log.warning("enhancer failed", reason=type(exc).__name__, status=getattr(exc, "status_code", None))
            raise EnhancementFailed from exc
        self._breaker.succeeded()
        terms = plain_terms(answer.prompt, max_chars=self._settings.max_chars)
        if not terms:
            raise EnhancementFailed
        return terms

    async def close(self) -> None:
        """Closes the client's connections."""
        if self._client is not None:
            await self._client.close()

    def _open(self) -> "AsyncOpenAI":
        """The client, made at first use."""
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                base_url=self._settings.base_url,
                api_key=self._settings.api_key.get_secret_value() or "none",
                timeout=self._settings.timeout_s,
                max_retries=1,
            )
        return self._client

    def _instructions_for(self, model: Model, style: Style) -> str:
        values = {"{model_label}": model.label, "{style_label}": style.label, "{style_hints}": style.hints}
        text = self._instructions
        for name, value in values.items():
            text = text.replace(name, value)
        return text


_RESPONSE_FORMAT: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "enhanced_prompt",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"prompt": {"type": "string"}},
            "required": ["prompt"],
            "additionalProperties": False,
        },
    },
}
