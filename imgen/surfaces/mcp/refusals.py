"""Refusals before the protocol: JSON-RPC errors without an id, and challenges that lead clients to the authorization server."""

from starlette.types import Receive, Scope, Send

from imgen.asgi.endpoint import Answer, Endpoint, json_answer
from imgen.domain.errors import ImgenError, OutOfScope, Unauthorized
from imgen.domain.principal import SCOPES
from imgen.surfaces.mcp.call import PATH
from imgen.surfaces.public_address import challenge
from imgen.surfaces.surface import SERVER_ERROR, Problem, problem_of

INVALID_REQUEST, INTERNAL_ERROR = -32600, -32603
"""Codes of JSON-RPC."""


def refusal(problem: Problem) -> Answer:
    """Answers a problem."""
    code = INTERNAL_ERROR if problem.status >= SERVER_ERROR else INVALID_REQUEST
    error = {"code": code, "message": problem.text}
    return json_answer({"jsonrpc": "2.0", "id": None, "error": error}, problem.status, problem.headers)


def failure(error: ImgenError, base: str) -> Answer:
    """Answers an error of the services; whoever lacks a token or a scope is told where to get it.

    Args:
        error: the error.
        base: URL of this server.
    """
    problem = problem_of(error)
    if isinstance(error, Unauthorized | OutOfScope):
        scopes = " ".join(SCOPES)  # all at once: whoever has to ask a person again asks once
        told = {"WWW-Authenticate": challenge(base, PATH, scopes, error=_error(error))}
        problem = Problem(problem.status, problem.text, {**problem.headers, **told})
    return refusal(problem)


def _error(error: ImgenError) -> str:
    """Returns the error code of RFC 6750, section 3.1; empty: no token was sent."""
    if isinstance(error, OutOfScope):
        return "insufficient_scope"
    return "" if type(error) is Unauthorized else "invalid_token"


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends an answer."""

    async def given(_scope: Scope, _receive: Receive) -> Answer:
        return answer

    await Endpoint(given)(scope, receive, send)
