"""Failures of the Action API: status, text, when it comes and what to do. Status and text are the code's own."""

from imgen.domain import errors
from imgen.domain.errors import ImgenError
from imgen.surfaces.description import FailureRow
from imgen.surfaces.surface import status_of

CORRECT, WAIT = "Correct the request.", "Wait as many seconds as `Retry-After` says."


def _row(error: ImgenError, when: str, advice: str) -> FailureRow:
    return FailureRow(status_of(type(error)), str(error), when, advice)


FAILURES: tuple[FailureRow, ...] = (
    _row(errors.InvalidJson(), "The body is no JSON object.", CORRECT),
    _row(errors.MissingAction(), "There is no `action`, or an empty one.", CORRECT),
    _row(errors.UnknownAction(), "An `action` that is none of these.", CORRECT),
    _row(
        errors.PromptRequired(),
        "`generate`, `optimize`: the prompt is empty, blank or has negative terms only.",
        "Ask for a prompt.",
    ),
    _row(errors.InvalidCharacter(), "An `@name` that the server or the chosen model does not have.", "See `models`."),
    _row(errors.TooManyCharacters(), "Two different `@name`s.", "Leave one."),
    _row(errors.BadId(), "`status`, `cancel`: this is no id.", CORRECT),
    _row(
        errors.InvalidField("<field>"),
        "A field of a JSON type that no rule repairs, or a value that may not be replaced: a prompt that is too long, an unknown "
        "`compliance_ruleset`, a `wm_image` that cannot be used, a `cursor` that no page gave.",
        CORRECT,
    ),
    _row(errors.Unauthorized(), "No `Authorization: Bearer` header.", "Send the key."),
    _row(errors.InvalidKey(), "Nobody has this key.", "Check the key."),
    _row(errors.KeyDisabled(), "The key was switched off.", "Ask the operator."),
    _row(
        errors.OutOfScope("<scope>"),
        "The key was made for other things: `generate`, `optimize` and `cancel` need the scope `generate`; `status`, `jobs` and "
        "`usage` need `read`.",
        "Use another key.",
    ),
    _row(errors.JobNotFound(), "A well-formed id that your tenant does not own.", "Check the id."),
    _row(errors.CacheMiss(), "`generate` with `use_cache` and `cache_only`: no match.", "Leave out `cache_only`."),
    _row(errors.CacheExpired(), "A `cache_` id that is more than one hour old.", "Send `generate` again."),
    FailureRow(405, "Method not allowed", "Anything but POST.", "Use POST."),
    FailureRow(408, "Request timed out", "The request did not arrive whole in time.", "Send it again."),
    _row(errors.TooLarge(), "The body is over the server's limit.", "Send a smaller `wm_image`."),
    _row(errors.RateLimited(), "Too many requests in a minute; `generate`: too many blocked pictures.", WAIT),
    _row(errors.QuotaExceeded(), "The plan's pictures for today or this month are used up.", f"{WAIT} See `usage`."),
    _row(errors.QueueFull(), "Too many jobs wait, or your tenant has as many open as its plan allows.", WAIT),
    FailureRow(500, "Internal error", "A fault of the server.", "Tell the operator."),
    _row(errors.GenerationFailed(), "The job could not be handed to the engine.", "Try again later."),
    _row(
        errors.EnhancementFailed(),
        "The language model behind `optimize` did not answer.",
        "Try again, or without `optimize`.",
    ),
    _row(errors.Unavailable(), "A part of the server is down.", WAIT),
)
"""In the order of their statuses."""
