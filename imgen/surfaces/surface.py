"""Surface: one wire dialect as a value. Here is also the one table that maps errors to HTTP statuses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from starlette.routing import BaseRoute

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.services.core import Core
from imgen.surfaces.description import Description

log = structlog.get_logger(__name__)

STATUSES: dict[type[errors.ImgenError], int] = {
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Invalid: 400,
    errors.JobNotFound: 404,
    errors.ObjectNotFound: 404,
    errors.CacheMiss: 404,
    errors.CacheExpired: 404,
    errors.TooLarge: 413,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.QueueFull: 429,
    errors.GenerationFailed: 502,
    errors.EnhancementFailed: 502,
    errors.Retryable: 503,
}
"""Error → HTTP status; a child class counts as its nearest parent in here, and one without a parent is a 500."""
SERVER_ERROR = 500
UNAVAILABLE = 503
_PUBLIC_TEXTS = {SERVER_ERROR: "Internal error", UNAVAILABLE: "Service unavailable"}
"""Texts of statuses whose errors hold what only operators may read."""
_RETRY_AFTER_S = {429: 2, UNAVAILABLE: 2}
"""Seconds to wait where the error names none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A failed request, before a dialect gives it a form."""

    status: int
    text: str
    """One sentence for the caller."""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_error(problem: Problem) -> Answer:
    """Answers `{"error": text}`, the form of every surface that has none of its own."""
    return json_answer({"error": problem.text}, problem.status, problem.headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """One dialect, or the pages for people."""

    prefixes: tuple[str, ...]
    """Paths that are its own, with all below them."""
    routes: Callable[[Core], Sequence[BaseRoute]]
    error: Callable[[Problem], Answer] = json_error
    """The form of what fails before a handler is reached: no such path, a wrong method, a broken connection."""
    describe: Callable[[Core], Description] | None = None
    """Its part of the reference; None: it is not in there. Called when the reference is first asked for."""


def surface_at(path: str, surfaces: Iterable[Surface]) -> Surface:
    """Returns the surface with the longest prefix of a path; the one that has `/` answers for all that is nobody else's."""
    rooted = "/" + path.lstrip("/")
    owners = {
        prefix: surface
        for surface in surfaces
        for prefix in surface.prefixes
        if rooted == prefix or rooted.startswith(prefix.rstrip("/") + "/")
    }
    return owners[max(owners, key=len)]


def status_of(error: type[errors.ImgenError]) -> int:
    """Returns the HTTP status that such an error is answered with."""
    return next((STATUSES[kind] for kind in error.__mro__ if kind in STATUSES), SERVER_ERROR)


def problem_of(error: errors.ImgenError) -> Problem:
    """Translates an error: its status, a text without internals, and `Retry-After` where trying again helps."""
    status = status_of(type(error))
    if status >= SERVER_ERROR:
        log.error("request failed", code=error.code, reason=str(error), exc_info=status == SERVER_ERROR)
    retry_after_s = error.retry_after_s or _RETRY_AFTER_S.get(status)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Problem(status, _PUBLIC_TEXTS.get(status, str(error)), headers)
