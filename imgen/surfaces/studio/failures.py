"""Failures of Studio: `{"error": {"code", "message"}, "requestId"}` with a stable code for each status."""

from collections.abc import Mapping

from msgspec import Struct

from imgen.asgi.answer_headers import current_request_id
from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.surfaces.surface import SERVER_ERROR, Problem, problem_of

CODES: Mapping[int, str] = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "request_in_progress",
    413: "too_large",
    422: "idempotency_conflict",
    429: "rate_limited",
    500: "internal",
    502: "generation_failed",
    503: "unavailable",
}
"""Status → code, where no class of errors has its own."""
BAD_REQUEST = 400
PLAN_REQUIRED, QUOTA_EXCEEDED = "plan_required", "quota_exceeded"
_CODES_OF: Mapping[type[errors.ImgenError], str] = {
    errors.SurfaceNotInPlan: PLAN_REQUIRED,
    errors.TierNotInPlan: PLAN_REQUIRED,
    errors.ExportNotInPlan: PLAN_REQUIRED,
    errors.QuotaExceeded: QUOTA_EXCEEDED,
}


class StudioReason(Struct, frozen=True, kw_only=True):
    """Reason of a failure."""

    code: str
    """Stable word for programs."""
    message: str
    """Text for people."""


class StudioFailure(Struct, frozen=True, kw_only=True, rename="camel"):
    """Answer to a request that failed."""

    error: StudioReason
    request_id: str
    """Id of the request, as in `X-Request-Id`."""


def failure(error: errors.ImgenError) -> Answer:
    """Answers an error of the services."""
    problem = problem_of(error)
    return _answer(problem, _CODES_OF.get(type(error)) or _code(problem.status))


def refusal(problem: Problem) -> Answer:
    """Answers a failure that comes before a handler."""
    return _answer(problem, _code(problem.status))


def _code(status: int) -> str:
    return CODES.get(status, CODES[BAD_REQUEST if status < SERVER_ERROR else SERVER_ERROR])


def _answer(problem: Problem, code: str) -> Answer:
    reason = StudioReason(code=code, message=problem.text)
    told = StudioFailure(error=reason, request_id=current_request_id())
    return json_answer(told, problem.status, problem.headers)
