"""Failures of Forge: `{"error": {"code", "message", "field"?}}` with a stable code for each status."""

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.surfaces.surface import SERVER_ERROR, Problem, problem_of

CODES: Mapping[int, str] = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "TIMEOUT",
    409: "CONFLICT",
    413: "TOO_LARGE",
    416: "RANGE_NOT_SATISFIABLE",
    422: "CONFLICT",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    502: "PROVIDER_ERROR",
    503: "UNAVAILABLE",
}
"""Status → code."""
QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
"""Code of a tenant whose plan is used up; an anonymous caller gets that of 429."""


class ForgeError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reason of a failure."""

    code: str
    """Stable word for programs."""
    message: str
    """Text for people."""
    field: str | UnsetType = UNSET
    """Field of the request that is wrong."""


class ForgeFailure(Struct, frozen=True, kw_only=True):
    """Answer to a request that failed."""

    error: ForgeError


def failure(error: errors.ImgenError, *, is_anonymous: bool = False) -> Answer:
    """Answers an error of the services."""
    problem = problem_of(error)
    is_quota = isinstance(error, errors.QuotaExceeded) and not is_anonymous
    field = error.field if isinstance(error, errors.InvalidField) else ""
    return _answer(problem, QUOTA_EXCEEDED if is_quota else _code(problem.status), field)


def refusal(problem: Problem) -> Answer:
    """Answers a failure that comes before a handler."""
    return _answer(problem, _code(problem.status))


def _code(status: int) -> str:
    return CODES.get(status, CODES[SERVER_ERROR])


def _answer(problem: Problem, code: str, field: str = "") -> Answer:
    details = ForgeError(code=code, message=problem.text, field=field or UNSET)
    return json_answer(ForgeFailure(error=details), problem.status, problem.headers)
