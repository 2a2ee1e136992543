"""Failures of the dialect for the reference: status, code, cause and advice."""

from imgen.surfaces import rest_failures
from imgen.surfaces.description import FailureRow
from imgen.surfaces.openai.failures import CANCELLED, INSUFFICIENT_QUOTA, KINDS, MODERATION_BLOCKED, UNSUPPORTED
from imgen.surfaces.rest_failures import CORRECT, rows_of

WAIT = "Wait `Retry-After` seconds; OpenAI's clients do it by themselves."
REASONS = {
    **rest_failures.REASONS,
    400: "The request is wrong, and `param` names the field; or there is no picture that may be shown.",
    401: "The key is missing, unknown or disabled.",
    403: "The key's scope or the tenant's plan does not cover it.",
    404: "There is no such model, or no such path.",
    502: "The pictures could not be made.",
    504: "The pictures are not finished yet.",
}
"""Status → its meaning."""
_ADVICE = {
    **rest_failures.ADVICE,
    401: "Send a valid key as a Bearer token.",
    403: "Use another key or plan.",
    404: "See `GET /v1/models`.",
    413: "Send less.",
    429: WAIT,
    500: "Tell the operator the `x-request-id`.",
    503: WAIT,
    504: "Send it again within half a minute: the retry of OpenAI's clients goes on with the same jobs.",
}
_MORE = (
    FailureRow(400, UNSUPPORTED, "The value has no meaning here, such as a transparent background.", CORRECT),
    FailureRow(400, MODERATION_BLOCKED, "The review withheld all pictures.", "Change the prompt or the picture."),
    FailureRow(400, CANCELLED, "All pictures were cancelled.", "Ask for them anew."),
    FailureRow(404, "model_not_found", "There is no model of that name.", "See `GET /v1/models`."),
    FailureRow(
        429, INSUFFICIENT_QUOTA, "The tenant's pictures or credits are used up; a retry is of no use.", "Buy a pack."
    ),
)
FAILURES: tuple[FailureRow, ...] = tuple(
    sorted(
        (*rows_of({status: kind.code or "" for status, kind in KINDS.items()}, REASONS, _ADVICE), *_MORE),
        key=lambda row: row.status,
    )
)
"""Rows of the reference; `text` is the code."""
