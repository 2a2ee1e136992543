"""Failures of the resolver: `{"error": text}`. The specification names statuses and leaves the body open."""

from collections.abc import Mapping

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.surfaces.surface import problem_of


class QueryTooLong(errors.Invalid):
    """Query too long: send it with POST."""

    code = "query_too_long"


class UnsupportedType(errors.Invalid):
    """The body is a PNG, JPEG, WebP or AVIF file itself, with its media type."""

    code = "unsupported_type"


STATUSES: Mapping[type[errors.ImgenError], int] = {QueryTooLong: 414, UnsupportedType: 415}
"""Error of this surface alone → HTTP status."""
UNAUTHORIZED = 401


def failure(error: errors.ImgenError) -> Answer:
    """Answers an error."""
    problem = problem_of(error)
    status = STATUSES.get(type(error), problem.status)
    challenge = {"WWW-Authenticate": "Bearer"} if status == UNAUTHORIZED else {}
    return json_answer({"error": problem.text}, status, {**problem.headers, **challenge})
