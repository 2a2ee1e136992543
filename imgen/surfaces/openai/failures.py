"""Failures as OpenAI's clients expect them, which make errors of their own classes of the status, and heed hints for a retry."""

from collections.abc import Mapping
from typing import NamedTuple

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.surfaces.openai.answers import OpenAIError, OpenAIFailure
from imgen.surfaces.surface import SERVER_ERROR, Problem, problem_of


class _Kind(NamedTuple):
    type: str
    code: str | None


_INVALID = "invalid_request_error"
_SERVER = "server_error"
KINDS: Mapping[int, _Kind] = {
    400: _Kind(_INVALID, "invalid_value"),
    401: _Kind(_INVALID, "invalid_api_key"),
    403: _Kind(_INVALID, "permission_denied"),
    404: _Kind(_INVALID, "not_found"),
    405: _Kind(_INVALID, "method_not_allowed"),
    408: _Kind(_INVALID, "timeout"),
    409: _Kind(_INVALID, "request_in_progress"),
    413: _Kind(_INVALID, "request_too_large"),
    422: _Kind(_INVALID, "idempotency_key_reused"),
    429: _Kind("requests", "rate_limit_exceeded"),
    500: _Kind(_SERVER, "internal_error"),
    502: _Kind(_SERVER, "generation_failed"),
    503: _Kind(_SERVER, "unavailable"),
    504: _Kind(_SERVER, "timeout"),
}
"""Status → type and code."""
UNSUPPORTED, MODERATION_BLOCKED, CANCELLED = "unsupported", "moderation_blocked", "cancelled"
MODERATION_TYPE = "image_generation_user_error"
INSUFFICIENT_QUOTA = "insufficient_quota"
NO_RETRY = {"x-should-retry": "false"}
"""Header that keeps the clients from a retry of their own."""
_RETRY_AFTER, _RETRY_AFTER_MS = "Retry-After", "retry-after-ms"


class Unsupported(errors.InvalidField):
    """Value that this service cannot give effect to."""


class Blocked(errors.Invalid):
    """The review withheld the pictures."""

    code = MODERATION_BLOCKED


class Stopped(errors.Invalid):
    """The pictures were cancelled."""

    code = CANCELLED


def failure(error: errors.ImgenError) -> Answer:
    """Answers an error of the services."""
    problem = problem_of(error)
    headers = dict(problem.headers)
    if isinstance(error, errors.QuotaExceeded | Stopped):
        headers |= NO_RETRY
    return _answer(problem.status, describe(error, problem), headers)


def describe(error: errors.ImgenError, problem: Problem | None = None) -> OpenAIError:
    """Describes an error of the services, whose problem may be known."""
    told = problem or problem_of(error)
    kind = KINDS.get(told.status, KINDS[SERVER_ERROR])
    if isinstance(error, errors.QuotaExceeded):
        kind = _Kind(INSUFFICIENT_QUOTA, INSUFFICIENT_QUOTA)
    elif isinstance(error, Blocked):
        kind = _Kind(MODERATION_TYPE, MODERATION_BLOCKED)
    elif isinstance(error, Unsupported):
        kind = _Kind(_INVALID, UNSUPPORTED)
    elif isinstance(error, errors.ModelNotFound | Stopped):
        kind = _Kind(_INVALID, error.code)
    param = error.field if isinstance(error, errors.InvalidField) else None
    if isinstance(error, errors.ModelNotFound):
        param = "model"
    return OpenAIError(message=told.text, type=kind.type, param=param, code=kind.code)


def refusal(problem: Problem) -> Answer:
    """Answers a failure that comes before a handler."""
    kind = KINDS.get(problem.status, KINDS[SERVER_ERROR])
    return _answer(
        problem.status, OpenAIError(message=problem.text, type=kind.type, param=None, code=kind.code), problem.headers
    )


def _answer(status: int, error: OpenAIError, headers: Mapping[str, str]) -> Answer:
    told = dict(headers)
    if _RETRY_AFTER in told:
        told[_RETRY_AFTER_MS] = str(int(told[_RETRY_AFTER]) * 1000)
    return json_answer(OpenAIFailure(error=error), status, told)
