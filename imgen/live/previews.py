"""Previews of unfinished pictures: kept for seconds, and made only while the owner of the job watches.

No reviewer has seen such a picture, so a preview is too small to be of use (`workers/preview.py`).
"""

from collections.abc import Sequence
from typing import Any

from imgen.live.command import PREFIX, Command, first, ignore

WATCHED_S = 5
KEPT_S = 20
_JPEG = b"\xff\xd8\xff"
"""Beginning of a JPEG file; anything else under the key is no preview."""


def watch(job_id: str) -> Command[bytes | None]:
    """Requests previews for some seconds; returns the latest, a JPEG file; None: there is none yet."""
    return Command((("SET", _key("watched", job_id), 1, "EX", WATCHED_S), ("GET", _key("preview", job_id))), _last)


def is_watched(job_id: str) -> Command[bool]:
    """Returns whether previews were requested within the last seconds."""
    return Command((("EXISTS", _key("watched", job_id)),), first)


def set_preview(job_id: str, preview: bytes) -> Command[None]:
    """Sets the latest preview."""
    return Command((("SET", _key("preview", job_id), preview, "EX", KEPT_S),), ignore)


def _key(kind: str, job_id: str) -> str:
    return f"{PREFIX}{kind}:{job_id}"


def _last(replies: Sequence[Any]) -> bytes | None:
    found: bytes | None = replies[-1]
    return found if found is not None and found.startswith(_JPEG) else None
