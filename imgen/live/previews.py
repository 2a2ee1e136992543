"""Previews of pictures in the making: kept for seconds, and made only while the user who asked for the picture watches.

It shows a picture that no reviewer has seen yet, so it is kept too small to be one (`workers/preview.py`).
"""

from collections.abc import Sequence
from typing import Any

from imgen.live.command import PREFIX, Command, first, ignore

WATCHED_S = 5
KEPT_S = 20


def watch(job_id: str) -> Command[bytes | None]:
    """Asks the worker for previews for some seconds, and reads the latest, a JPEG file, if there is one."""
    return Command((("SET", _key("watched", job_id), 1, "EX", WATCHED_S), ("GET", _key("preview", job_id))), _last)


def is_watched(job_id: str) -> Command[bool]:
    """Reads whether previews were asked for within the last seconds."""
    return Command((("EXISTS", _key("watched", job_id)),), first)


def show(job_id: str, preview: bytes) -> Command[None]:
    """Sets the latest preview."""
    return Command((("SET", _key("preview", job_id), preview, "EX", KEPT_S),), ignore)


def _key(kind: str, job_id: str) -> str:
    return f"{PREFIX}{kind}:{job_id}"


def _last(replies: Sequence[Any]) -> bytes | None:
    found: bytes | None = replies[-1]
    return found
