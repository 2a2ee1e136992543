"""What a picture looks like while it is drawn: kept for seconds, and made only while its own person watches.

It shows a picture that no reviewer has seen yet, so it is kept too small to be one (`workers/preview.py`).
"""

from collections.abc import Sequence
from typing import Any

from imgen.live.op import PREFIX, Op, first, ignore

WATCHED_S = 5
KEPT_S = 20


def watch(job_id: str) -> Op[bytes | None]:
    """Asks the worker for previews for some seconds, and takes the latest, a JPEG file, if there is one."""
    return Op((("SET", _key("watched", job_id), 1, "EX", WATCHED_S), ("GET", _key("preview", job_id))), _last)


def is_watched(job_id: str) -> Op[bool]:
    """Whether somebody has asked within the last seconds."""
    return Op((("EXISTS", _key("watched", job_id)),), first)


def show(job_id: str, preview: bytes) -> Op[None]:
    """Puts a newer one in the place of the last."""
    return Op((("SET", _key("preview", job_id), preview, "EX", KEPT_S),), ignore)


def _key(kind: str, job_id: str) -> str:
    return f"{PREFIX}{kind}:{job_id}"


def _last(replies: Sequence[Any]) -> bytes | None:
    found: bytes | None = replies[-1]
    return found
