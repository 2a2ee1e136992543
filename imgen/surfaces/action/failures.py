"""Failures of the Action API: status, text, cause and advice. Status and text come from the errors themselves."""

from imgen.domain import errors
from imgen.domain.errors import ImgenError
from imgen.domain.principal import GENERATE, READ
from imgen.surfaces.action.actions import ACTIONS
from imgen.surfaces.description import FailureRow
from imgen.surfaces.surface import status_of

CORRECT, WAIT = "Correct the request.", "Wait `Retry-After` seconds."


def _callers(scope: str) -> str:
    *names, last = (f"`{name}`" for name, action in ACTIONS.items() if action.scope == scope)
    return f"{', '.join(names)} and {last} need `{scope}`"


def _row(error: ImgenError, when: str, advice: str) -> FailureRow:
    return FailureRow(status_of(type(error)), str(error), when, advice)


FAILURES: tuple[FailureRow, ...] = (
    _row(errors.InvalidJson(), "The body is not a JSON object.", CORRECT),
    _row(errors.MissingAction(), "`action` is missing or empty.", CORRECT),
    _row(errors.UnknownAction(), "`action` is not one of the actions.", CORRECT),
    _row(
        errors.PromptRequired(),
        "`generate`, `optimize`: the prompt is empty, blank or has negative terms only.",
        "Add a positive term or a character.",
    ),
    _row(errors.InvalidCharacter(), "An `@name` that the server or the chosen model does not have.", "See `models`."),
    _row(errors.TooManyCharacters(), "Two different `@name`s.", "Keep one."),
    _row(errors.BadId(), "`status`, `cancel`: the id is malformed.", CORRECT),
    _row(
        errors.InvalidField("<field>"),
        "A field has a JSON type that cannot be replaced, or a value that may not be replaced: a prompt that is too long, an "
        "unknown `compliance_ruleset`, an unusable `wm_image`, `image` or `mask`, a `webhook_url` that is not https and public, "
        "a `cursor` that is not from a page; an `Idempotency-Key` that is none.",
        CORRECT,
    ),
    _row(errors.Unauthorized(), "No `Authorization: Bearer` header.", "Send the key."),
    _row(errors.InvalidKey(), "The key is unknown.", "Check the key."),
    _row(errors.KeyDisabled(), "The key is disabled.", "Ask the operator."),
    _row(
        errors.OutOfScope("<scope>"),
        f"The key lacks the action's scope: {'; '.join(map(_callers, (GENERATE, READ)))}.",
        "Use another key.",
    ),
    _row(errors.SurfaceNotInPlan(), "The tenant's plan has other surfaces.", "Ask the operator for another plan."),
    _row(errors.JobNotFound(), "The id is well-formed, but your tenant has no such job.", "Check the id."),
    _row(errors.CacheMiss(), "`generate` with `use_cache` and `cache_only`: a miss.", "Leave out `cache_only`."),
    _row(errors.CacheExpired(), "The `cache_` id is more than one hour old.", "Send `generate` again."),
    FailureRow(405, "Method not allowed", "The method is not POST.", "Use POST."),
    FailureRow(408, "Request timed out", "The request did not arrive completely in time.", "Send it again."),
    _row(errors.RequestInProgress(), "The same `Idempotency-Key` is being answered.", WAIT),
    _row(
        errors.TooLarge(),
        "The body exceeds the server's limit.",
        "Send smaller pictures, or use `POST /api/v2/upload`.",
    ),
    _row(
        errors.KeyReused(),
        "The `Idempotency-Key` was sent with another body in the last 24 hours.",
        "Take a new key for each new request.",
    ),
    _row(errors.RateLimited(), "Too many requests in a minute; `generate`: too many blocked pictures.", WAIT),
    _row(
        errors.QuotaExceeded(),
        "The plan's pictures or credits for today or this month are used up, and no pack of credits is left; `upload`: your "
        "uploads of a day take all their space.",
        f"{WAIT} See `usage`.",
    ),
    _row(errors.QueueFull(), "Too many jobs wait, or your tenant has reached its plan's limit of open jobs.", WAIT),
    FailureRow(500, "Internal error", "A fault of the server.", "Report it to the operator."),
    _row(errors.GenerationFailed(), "The job could not be handed to the engine.", "Try again later."),
    _row(
        errors.EnhancementFailed(),
        "The language model behind `optimize` did not answer.",
        "Try again, or send the request without `optimize`.",
    ),
    _row(errors.Unavailable(), "A part of the server is down.", WAIT),
)
"""Table in the order of the statuses."""

UPLOAD_FAILURES: tuple[FailureRow, ...] = (
    _row(errors.InvalidField("image"), "The body is no usable picture.", CORRECT),
    *(
        row
        for row in FAILURES
        if row.status in {401, 403, 405, 408, 409, 413, 422, 429, 500, 503} and row.text != str(errors.QueueFull())
    ),
)
"""Table of `POST /api/v2/upload`."""

EVENTS_FAILURES: tuple[FailureRow, ...] = (
    _row(errors.InvalidField("id"), "Too many ids.", "Open several streams, or one without `id`."),
    *(row for row in FAILURES if row.text in {str(error()) for error in (errors.BadId, errors.JobNotFound)}),
    *(row for row in FAILURES if row.status in {401, 403} or row.text == str(errors.CacheExpired())),
    FailureRow(405, "Method not allowed", "The method is not GET.", "Use GET."),
    _row(errors.RateLimited(), "Too many requests in a minute, or too many open streams.", WAIT),
    *(row for row in FAILURES if row.status in {500, 503}),
)
"""Table of `GET /api/v2/events`."""
