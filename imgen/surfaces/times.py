"""Times of answers, for surfaces that tell milliseconds."""

from datetime import UTC, datetime


def utc_text_ms(at: float) -> str:
    """Formats seconds since the epoch as ISO 8601, UTC, with milliseconds: `2026-11-21T12:00:00.250Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
