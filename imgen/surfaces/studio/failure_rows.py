"""Failures of Studio for the reference: status, code, cause and advice."""

from imgen.surfaces.description import FailureRow
from imgen.surfaces.studio.failures import CODES, PLAN_REQUIRED, QUOTA_EXCEEDED

CORRECT, WAIT = "Correct the request.", "Wait `Retry-After` seconds."
REASONS = {
    400: "The request is wrong; the message names the field.",
    401: "The key is missing, unknown, disabled, or sent twice and different; or nobody is signed in.",
    403: "The tenant's plan or the key's scope does not cover it, or a session lacks its CSRF token.",
    404: "There is no such job or picture, or it is another tenant's.",
    405: "The method is another one.",
    408: "The request did not arrive completely in time.",
    409: "The same request is being answered.",
    413: "The request is too large.",
    422: "The idempotency key was used for another request.",
    429: "A limit is reached.",
    500: "A fault of the server.",
    502: "A part behind the server failed.",
    503: "A part of the server is down.",
}
"""Status → its meaning."""
_ADVICE = {
    401: "Send one key, or sign in.",
    403: "Use another key; send `x-csrftoken`.",
    404: "Check the id.",
    405: "Use another method.",
    408: "Send it again.",
    409: WAIT,
    413: "Send less, or upload the picture.",
    422: "Use a new key.",
    429: WAIT,
    500: "Tell the operator the `requestId`.",
    502: "Send it again later.",
    503: WAIT,
}
FAILURES: tuple[FailureRow, ...] = (
    *(FailureRow(status, code, REASONS[status], _ADVICE.get(status, CORRECT)) for status, code in CODES.items()),
    FailureRow(
        403, PLAN_REQUIRED, "The tenant's plan does not include Studio, or pictures of that size.", "Use another plan."
    ),
    FailureRow(429, QUOTA_EXCEEDED, "The tenant's pictures or credits are used up.", f"{WAIT} Or buy a pack."),
)
"""Rows of the reference; `text` is the code."""
