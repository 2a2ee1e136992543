"""Cursors of job lists, for every surface: the place where a page ends, as text."""

import base64
import binascii
import math

from imgen.domain.errors import InvalidField
from imgen.domain.ids import is_job_id
from imgen.records.paging import Place


def write_cursor(created_at: float, job_id: str) -> str:
    """Writes the cursor of the page that follows this job."""
    return base64.urlsafe_b64encode(f"{created_at!r} {job_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Place:
    """Reads a cursor.

    Raises:
        InvalidField: no page has that cursor.
    """
    try:
        padded = cursor.rstrip("=") + "=" * (-len(cursor.rstrip("=")) % 4)
        created_at, job_id = base64.urlsafe_b64decode(padded).decode().split(" ")
        place = Place(float(created_at), job_id)
    except (binascii.Error, ValueError) as exc:
        raise InvalidField("cursor") from exc
    if not math.isfinite(place.created_at) or not is_job_id(place.id):
        raise InvalidField("cursor")
    return place
