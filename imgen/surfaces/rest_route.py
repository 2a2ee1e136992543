"""Row of the table of a REST surface: path, handler, request, answers and words of a route, to serve and to describe it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec import Struct

from imgen.asgi.endpoint import Answer
from imgen.surfaces.call import Call

Security = tuple[dict[str, list[Any]], ...]
"""Credentials that a route takes, as OpenAPI has them: any one of the entries, all names of which are needed."""
BY_KEY: Security = ({"key": []}, {"x_api_key": []})
BY_APPLICATION: Security = ({"oauth": []},)
BY_SESSION: Security = ({"session": [], "csrf": []},)
BY_NOBODY: Security = ({},)


class RestRoute(NamedTuple):
    """One row of the table."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[Answer]]
    name: str
    """Id of the operation."""
    summary: str
    description: str
    answers: dict[int, type[Struct]]
    """Status → answer."""
    failures: tuple[int, ...]
    """Statuses of failures, beside those of every route and of idempotency keys."""
    security: Security
    request: type[Struct] | None = None
    file_types: tuple[str, ...] = ()
    """Media types of a file that may be the body in place of the request."""
    query: tuple[str, ...] = ()
    """Parameters of the query, described in the reference."""
    is_once: bool = False
    """Whether it makes something, and an idempotency key keeps a repetition from making it again."""
    needs_body: bool = False
    caller: str = ""
    """Callers that it serves, in words; empty: all."""
