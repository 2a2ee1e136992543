"""Failures of Studio for the reference: status, code, cause and advice."""

from imgen.surfaces import rest_failures
from imgen.surfaces.description import FailureRow
from imgen.surfaces.rest_failures import WAIT, rows_of
from imgen.surfaces.studio.failures import CODES, PLAN_REQUIRED, QUOTA_EXCEEDED

REASONS = {
    **rest_failures.REASONS,
    400: "The request is wrong; the message names the field.",
    404: "There is no such job or picture, or it is another tenant's.",
}
"""Status → its meaning."""
FAILURES: tuple[FailureRow, ...] = (
    *rows_of(CODES, REASONS),
    FailureRow(
        403, PLAN_REQUIRED, "The tenant's plan does not include Studio, or pictures of that size.", "Use another plan."
    ),
    FailureRow(429, QUOTA_EXCEEDED, "The tenant's pictures or credits are used up.", f"{WAIT} Or buy a pack."),
)
"""Rows of the reference."""
