"""Failures of Forge for the reference: status, code, cause and advice."""

from imgen.surfaces import rest_failures
from imgen.surfaces.description import FailureRow
from imgen.surfaces.forge.failures import CODES, QUOTA_EXCEEDED
from imgen.surfaces.rest_failures import WAIT, rows_of

REASONS = {
    **rest_failures.REASONS,
    400: "The request is wrong; `field` names the field.",
    404: "There is no such job, picture or tenant, or it is another tenant's.",
    409: "The same request is being answered; or a key was shown in an earlier answer to it.",
    416: "The picture's file has no such part.",
}
"""Status → its meaning."""
_ADVICE = {
    **rest_failures.ADVICE,
    409: "Wait a second; of a key, rotate it.",
    416: "Ask for a part within the size that `Content-Range` tells.",
}
FAILURES: tuple[FailureRow, ...] = (
    *rows_of(CODES, REASONS, _ADVICE),
    FailureRow(429, QUOTA_EXCEEDED, "The tenant's pictures or credits are used up.", f"{WAIT} Or buy a pack."),
)
"""Rows of the reference."""
