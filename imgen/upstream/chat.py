"""Chat completions from endpoints that differ in the parameters they refuse.

A refused parameter is found out once, by the endpoint's own error, and left out from then on. chat_answer.py reads the answer.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from msgspec import Struct

from imgen.domain.errors import UpstreamUnavailable
from imgen.upstream.openai_client import BlockingOpenAIClient, OpenAIClient

log = structlog.get_logger(__name__)

REFUSED = frozenset({400, 422})
"""Statuses of a request that the endpoint understood and does not take: of its parameters, or of its text."""
MAX_LOGGED_CHARS = 300
MIN_PRIVATE_CHARS = 4

_STEPS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = (
    (
        "response_format",
        re.compile(r"response.?format|json.?schema|json.?object|structured|guided|grammar", re.IGNORECASE),
        ("json_schema", "json_object with schema", "json_object", ""),
    ),
    (
        "max_tokens",
        re.compile(r"max_(completion_)?tokens", re.IGNORECASE),
        ("max_completion_tokens", "max_tokens", ""),
    ),
    ("temperature", re.compile(r"temperature", re.IGNORECASE), ("temperature", "")),
)
"""Parameter, words of an error that blames it, and its forms from the one that is tried first; the last one leaves it out.

`max_completion_tokens` is OpenAI's newer name of `max_tokens`, which many servers know alone.
"""


class ChatRequest(Struct, frozen=True, kw_only=True):
    """One question to a chat model."""

    model: str
    messages: Any
    """Messages in the protocol's form."""
    schema_name: str
    schema: Mapping[str, Any]
    """JSON Schema of the object that is asked for."""
    max_tokens: int
    temperature: float | None = None
    """None: the endpoint's own."""


class ChatDialect:
    """Parameters that one endpoint takes, as far as is known. One for each client; shared by its threads."""

    def __init__(self) -> None:
        self.forms: Mapping[str, int] = dict.fromkeys((name for name, _, _ in _STEPS), 0)
        """Parameter → index of the form that is sent."""
        self.is_settled = False
        """Whether the endpoint has answered: then an error without a reason is not of the parameters."""


class _Trial:
    """One question, asked with one refused parameter less each time."""

    def __init__(self, dialect: ChatDialect, request: ChatRequest) -> None:
        self._dialect = dialect
        self._request = request
        self._forms = dict(dialect.forms)

    def start(self, client: Any) -> Any:
        """Starts a streamed answer, see openai_client.Start."""
        parameters = _parameters(self._request, self._forms)
        return client.chat.completions.with_streaming_response.create(**parameters)

    def leave_out_refused(self, failure: UpstreamUnavailable) -> None:
        """Leaves out the parameter that an error blames.

        Raises:
            UpstreamUnavailable: the error, if no parameter is to blame.
        """
        blamed = _blamed(failure, self._forms, guess=not self._dialect.is_settled)
        if not blamed:
            raise failure
        refused = _form(blamed, self._forms)
        log.warning("endpoint refuses a parameter", parameter=refused, reason=_loggable(failure.words, self._request))
        self._forms[blamed] += 1

    def settle(self) -> None:
        """Remembers the parameters that were answered."""
        self._dialect.forms = self._forms
        self._dialect.is_settled = True


async def ask_chat(client: OpenAIClient, dialect: ChatDialect, request: ChatRequest) -> bytes:
    """Returns the body of an answer.

    Raises:
        UpstreamPaused, UpstreamUnavailable: as for OpenAIClient.
    """
    trial = _Trial(dialect, request)
    while True:
        try:
            body = await client.ask(trial.start)
        except UpstreamUnavailable as exc:
            trial.leave_out_refused(exc)
        else:
            trial.settle()
            return body


def ask_chat_blocking(client: BlockingOpenAIClient, dialect: ChatDialect, request: ChatRequest) -> bytes:
    """Returns the body of an answer; for a thread.

    Raises:
        UpstreamPaused, UpstreamUnavailable: as for OpenAIClient.
    """
    trial = _Trial(dialect, request)
    while True:
        try:
            body = client.ask(trial.start)
        except UpstreamUnavailable as exc:
            trial.leave_out_refused(exc)
        else:
            trial.settle()
            return body


def _parameters(request: ChatRequest, forms: Mapping[str, int]) -> dict[str, Any]:
    schema = {"name": request.schema_name, "strict": True, "schema": request.schema}
    titled = {"title": request.schema_name, **request.schema}  # llama.cpp's form, and that of some hosts
    values: dict[str, dict[str, Any]] = {
        "json_schema": {"response_format": {"type": "json_schema", "json_schema": schema}},
        "json_object with schema": {"response_format": {"type": "json_object", "schema": titled}},
        "json_object": {"response_format": {"type": "json_object"}},
        "max_completion_tokens": {"max_completion_tokens": request.max_tokens},
        "max_tokens": {"max_tokens": request.max_tokens},
        "temperature": {} if request.temperature is None else {"temperature": request.temperature},
        "": {},
    }
    parameters: dict[str, Any] = {"model": request.model, "messages": request.messages}
    for name in forms:
        parameters |= values[_form(name, forms)]
    return parameters


def _form(name: str, forms: Mapping[str, int]) -> str:
    return next(known for step, _, known in _STEPS if step == name)[forms[name]]


def _blamed(failure: UpstreamUnavailable, forms: Mapping[str, int], *, guess: bool) -> str:
    """Returns the parameter that an error blames; empty: none.

    An endpoint that never answered and gives no reason is tried with the plainer form of each parameter, one after the other.
    """
    if failure.status not in REFUSED:
        return ""
    left = [(name, words) for name, words, known in _STEPS if forms[name] < len(known) - 1]
    named = next((name for name, words in left if words.search(failure.words)), "")
    return named or (left[0][0] if guess and left else "")


def _loggable(words: str, request: ChatRequest) -> str:
    """Returns an endpoint's words without those of the request, which some endpoints repeat: prompts are not logged."""
    for text in sorted(_texts(request.messages), key=len, reverse=True):
        for written in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            words = words.replace(written, "…")
    return words[:MAX_LOGGED_CHARS]


def _texts(value: Any) -> Iterator[str]:
    """Yields the texts in messages, and each of their lines."""
    if isinstance(value, str):
        yield from (part for part in (value, *value.splitlines()) if len(part) >= MIN_PRIVATE_CHARS)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in ("role", "type"):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
