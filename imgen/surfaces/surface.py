"""Surface: a wire dialect as a value. The table from errors to HTTP statuses is here too."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from msgspec import Struct
from starlette.routing import BaseRoute

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain import errors
from imgen.domain.job import Job
from imgen.services.core import Core
from imgen.surfaces.description import Description

log = structlog.get_logger(__name__)

STATUSES: dict[type[errors.ImgenError], int] = {
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Invalid: 400,
    errors.TenantNotFound: 404,
    errors.JobNotFound: 404,
    errors.ModelNotFound: 404,
    errors.ObjectNotFound: 404,
    errors.CacheMiss: 404,
    errors.CacheExpired: 404,
    errors.RequestInProgress: 409,
    errors.KeyShownBefore: 409,
    errors.TooLarge: 413,
    errors.KeyReused: 422,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.QueueFull: 429,
    errors.GenerationFailed: 502,
    errors.EnhancementFailed: 502,
    errors.Retryable: 503,
    errors.NotFinished: 504,
    errors.UnreadableRow: 503,
    errors.ConfigurationError: 503,
}
"""Error → HTTP status; a subclass has the status of its nearest base in the table, or else 500."""
SERVER_ERROR = 500
UNAVAILABLE = 503
_PUBLIC_TEXTS = {SERVER_ERROR: "Internal error", UNAVAILABLE: "Service unavailable"}
"""Texts of statuses whose errors are for operators only."""
_RETRY_AFTER_S = {429: 2, UNAVAILABLE: 2}
"""Seconds to wait if the error has none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Failure of a request, before a dialect encodes it."""

    status: int
    text: str
    """Text for the caller."""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_error(problem: Problem) -> Answer:
    """Answers `{"error": text}`, the default form."""
    return json_answer({"error": problem.text}, problem.status, problem.headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """Surface: a dialect, or a group of pages."""

    prefixes: tuple[str, ...]
    """Paths of the surface, with all below them."""
    routes: Callable[[Core], Sequence[BaseRoute]]
    name: str = ""
    """Surface of the jobs that it makes; empty: it makes none."""
    ended: Callable[[Core, Job], Struct] | None = None
    """Answer to a poll of an ended job, with its id and fresh URLs, without a withheld picture's: the data of webhooks."""
    error: Callable[[Problem], Answer] = json_error
    """Form of failures before a handler: an unknown path, a wrong method, a broken connection."""
    describe: Callable[[Core], Description] | None = None
    """Its part of the reference, made at the first request of it; None: it has none."""


def surface_at(path: str, surfaces: Iterable[Surface]) -> Surface:
    """Returns the surface with the longest prefix of a path; the one with `/` has all other paths."""
    rooted = "/" + path.lstrip("/")
    owners = {
        prefix: surface
        for surface in surfaces
        for prefix in surface.prefixes
        if rooted == prefix or rooted.startswith(prefix.rstrip("/") + "/")
    }
    return owners[max(owners, key=len)]


def status_of(error: type[errors.ImgenError]) -> int:
    """Returns the HTTP status of a class of errors."""
    return next((STATUSES[kind] for kind in error.__mro__ if kind in STATUSES), SERVER_ERROR)


def problem_of(error: errors.ImgenError) -> Problem:
    """Translates an error into status, a text without internals and, if a retry may help, `Retry-After`."""
    status = status_of(type(error))
    if status >= SERVER_ERROR:
        log.error("request failed", code=error.code, reason=str(error), exc_info=status == SERVER_ERROR)
    retry_after_s = error.retry_after_s or _RETRY_AFTER_S.get(status)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Problem(status, _PUBLIC_TEXTS.get(status, str(error)), headers)
