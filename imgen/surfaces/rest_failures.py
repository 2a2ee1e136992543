"""Words about failures that REST surfaces share: for each status its meaning, and advice to the caller."""

from collections.abc import Mapping

from imgen.surfaces.description import FailureRow

CORRECT, WAIT = "Correct the request.", "Wait `Retry-After` seconds."
REASONS: Mapping[int, str] = {
    400: "The request is wrong.",
    401: "The key is missing, unknown, disabled, or sent twice and different; or nobody is signed in.",
    403: "The key's scope or the tenant's plan does not cover it, or a session lacks its CSRF token.",
    404: "There is no such thing, or it is another tenant's.",
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
ADVICE: Mapping[int, str] = {
    401: "Send one key, or sign in.",
    403: "Use another key or plan; send `x-csrftoken`.",
    404: "Check the id.",
    405: "Use another method.",
    408: "Send it again.",
    409: WAIT,
    413: "Send less, or upload the picture.",
    422: "Use a new key.",
    429: WAIT,
    500: "Tell the operator the `X-Request-Id`.",
    502: "Send it again later.",
    503: WAIT,
}
"""Status → advice; for any other it is to correct the request."""


def rows_of(
    codes: Mapping[int, str], reasons: Mapping[int, str], advice: Mapping[int, str] = ADVICE
) -> tuple[FailureRow, ...]:
    """Makes the rows of a surface from its codes by status; `text` is the code."""
    return tuple(
        FailureRow(status, code, reasons[status], advice.get(status, CORRECT)) for status, code in codes.items()
    )
