"""Failures of the authorization server: `{"error", "error_description"}` with the codes of its specifications."""

from collections.abc import Mapping

from msgspec import UNSET

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.surfaces.oauth.wire import OAuthFailure
from imgen.surfaces.surface import SERVER_ERROR, Problem, problem_of

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""Headers of answers with secrets (RFC 6749, section 5.1)."""
CODES: Mapping[int, str] = {
    429: "temporarily_unavailable",
    500: "server_error",
    502: "server_error",
    503: "temporarily_unavailable",
}
"""Status → code of failures that are none of OAuth's own; of all others it is `invalid_request`."""
UNAUTHORIZED = 401


def failure(error: errors.ImgenError, *, is_basic: bool = False) -> Answer:
    """Answers an error of the services; `is_basic`: the client has sent its secret in the header."""
    problem = problem_of(error)
    if isinstance(error, errors.InvalidClient):
        named = {"WWW-Authenticate": 'Basic realm="oauth"'} if is_basic else {}
        return _answer(Problem(UNAUTHORIZED, problem.text, named), error.code)
    return _answer(problem, error.code if isinstance(error, errors.OAuthError) else _code(problem.status))


def refusal(problem: Problem) -> Answer:
    """Answers a failure that comes before a handler."""
    return _answer(problem, _code(problem.status))


def _code(status: int) -> str:
    return CODES.get(status, CODES[SERVER_ERROR] if status > SERVER_ERROR else errors.OAuthError.code)


def _answer(problem: Problem, code: str) -> Answer:
    told = OAuthFailure(error=code, error_description=problem.text or UNSET)
    return json_answer(told, problem.status, {**problem.headers, **NO_STORE})
