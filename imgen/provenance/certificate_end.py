"""End of the signing certificate: its time, and the sentence that tells the operator of it. Checks no signature."""

import datetime as dt
from pathlib import Path

TOLD_BEFORE = dt.timedelta(days=30)
"""Time before the end from which the operator is told: a new certificate takes a while to get."""


def certificate_end(chain: bytes) -> dt.datetime:
    """Returns the end of a chain in PEM, in UTC: that of its certificate which ends first.

    Raises:
        ValueError: there is no certificate in it.
    """
    from cryptography import x509  # takes 0.1 s and 9 MB, which the API's start does without

    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(chain))


def ending(ends_at: dt.datetime, now: dt.datetime) -> str:
    """Returns a sentence about an end that is near or over; empty: there is time."""
    if now >= ends_at:
        return (
            f"The signing certificate ended on {ends_at:%Y-%m-%d}: no picture can be signed until there is a new one."
        )
    if ends_at - now < TOLD_BEFORE:
        return f"The signing certificate ends on {ends_at:%Y-%m-%d}: get a new one, no picture can be signed after that day."
    return ""


def ending_of_file(chain: Path, now: dt.datetime) -> str:
    """Returns the sentence for a chain's file; empty as well where this machine has none that can be read: it does not sign."""
    try:
        return ending(certificate_end(chain.read_bytes()), now)
    except (OSError, ValueError):
        return ""
